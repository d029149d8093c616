#include "data/detail/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace panal::data::detail {
namespace {

constexpr std::array<std::string_view, 3> kTurns = {"messages", "conversations", "conversation"};
constexpr std::string_view kWanted =
    "\"text\", \"messages\", \"conversations\", or \"instruction\" with \"output\"";

Status wrong(std::string_view place, std::string_view what) {
  return Status(Code::kInvalidArgument, fmt::format("{}: {}", place, what));
}

struct Speaker {
  std::string_view name;
  std::string_view role;
};

// Names of ShareGPT and of what was made after it.
constexpr std::array<Speaker, 10> kSpeakers = {{{"human", "user"},
                                                {"user", "user"},
                                                {"gpt", "assistant"},
                                                {"assistant", "assistant"},
                                                {"chatgpt", "assistant"},
                                                {"model", "assistant"},
                                                {"system", "system"},
                                                {"tool", "tool"},
                                                {"observation", "tool"},
                                                {"function_response", "tool"}}};

Result<std::string> role_of(const Json& turn, std::string_view place) {
  if (json_has(turn, "role")) {
    PANAL_ASSIGN(std::string role, json_string(turn, "role", place));
    if (!role.empty() && role.size() <= 64) return role;
    return wrong(place, fmt::format("\"role\" must be 1 to 64 bytes, found {}", role.size()));
  }
  if (!json_has(turn, "from")) {
    return wrong(place, "a turn must say who speaks: \"role\" (or \"from\") is missing");
  }
  PANAL_ASSIGN(const std::string from, json_string(turn, "from", place));
  for (const Speaker& known : kSpeakers) {
    if (known.name == from) return std::string(known.role);
  }
  return wrong(place, fmt::format("\"from\" must be human, gpt, system or tool, found \"{}\"",
                                  from.substr(0, 60)));
}

// A string, a list of parts of text, or null beside tool calls.
Result<std::string> content_of(const Json& turn, std::string_view place) {
  const char* key = turn.contains("content") || !turn.contains("value") ? "content" : "value";
  if (!json_has(turn, key)) {
    if (json_has(turn, "tool_calls")) return std::string();
    return wrong(place, "a turn must say something: \"content\" (or \"value\") is missing");
  }
  const Json& content = turn.at(key);
  if (content.is_string()) return normalise_text(content.get_ref<const std::string&>(), place);
  if (!content.is_array()) {
    return wrong(place, fmt::format("\"{}\" must be a string, found {}", key, json_shown(content)));
  }
  std::string joined;
  for (const Json& part : content) {
    if (!json_has(part, "text") || !part.at("text").is_string()) {
      return wrong(place,
                   fmt::format("panal learns from text only, found the part {}", json_shown(part)));
    }
    joined += part.at("text").get_ref<const std::string&>();
  }
  return normalise_text(joined, place);
}

Result<Json> read_turn(const Json& turn, std::string_view place) {
  if (!turn.is_object()) {
    return wrong(place, fmt::format("expected a turn like {{\"role\", \"content\"}}, found {}",
                                    json_shown(turn)));
  }
  Json message = Json::object();
  PANAL_ASSIGN(message["role"], role_of(turn, place));
  PANAL_ASSIGN(message["content"], content_of(turn, place));
  for (const auto& [key, value] : turn.items()) {
    const bool is_taken = key == "role" || key == "from" || key == "content" || key == "value";
    if (!is_taken && !value.is_null()) message[key] = value;
  }
  return message;
}

struct Turns {
  Json messages = Json::array();
  std::string text;

  void add(Json message) {
    const auto& content = message["content"].get_ref<const std::string&>();
    if (!text.empty() && !content.empty()) text += "\n\n";
    text += content;
    messages.push_back(std::move(message));
  }
  void add(std::string_view role, std::string content) {
    add(Json{{"role", role}, {"content", std::move(content)}});
  }
};

Result<std::string> text_member(const Json& record, std::string_view key, std::string_view place) {
  PANAL_ASSIGN(const std::string raw, json_string(record, key, place));
  return normalise_text(raw, fmt::format("{}: \"{}\"", place, key));
}

// A member that may be missing, null or empty.
Result<std::string> optional_text(const Json& record, std::string_view key,
                                  std::string_view place) {
  return json_has(record, key) ? text_member(record, key, place) : Result<std::string>("");
}

Status add_turns(const Json& list, std::string_view place, Turns& turns) {
  if (!list.is_array() || list.empty()) {
    return wrong(place, fmt::format("expected a list of turns, found {}", json_shown(list)));
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    PANAL_ASSIGN(Json message, read_turn(list[i], fmt::format("{}, turn {}", place, i + 1)));
    turns.add(std::move(message));
  }
  return Status();
}

std::string_view first_of(const Json& record, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (json_has(record, key)) return key;
  }
  return {};
}

// "history" is a list of [question, answer] before the instruction.
Status add_history(const Json& history, std::string_view place, Turns& turns) {
  for (const Json& pair : history) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return wrong(place, "\"history\" must be a list of [question, answer]");
    }
    PANAL_ASSIGN(std::string question, normalise_text(pair[0].get<std::string>(), place));
    PANAL_ASSIGN(std::string answer, normalise_text(pair[1].get<std::string>(), place));
    turns.add("user", std::move(question));
    turns.add("assistant", std::move(answer));
  }
  return Status();
}

Status add_instruction(const Json& record, std::string_view place, Turns& turns) {
  if (json_has(record, "history")) PANAL_TRY(add_history(record.at("history"), place, turns));
  PANAL_ASSIGN(std::string question, text_member(record, "instruction", place));
  const std::string_view input_key = first_of(record, {"input", "context"});
  PANAL_ASSIGN(const std::string input, optional_text(record, input_key, place));
  if (!input.empty()) question += "\n\n" + input;
  PANAL_ASSIGN(std::string answer,
               text_member(record, first_of(record, {"output", "response"}), place));
  turns.add("user", std::move(question));
  turns.add("assistant", std::move(answer));
  return Status();
}

Result<Json> list_in(const Json& value, std::string_view place) {
  if (!value.is_string()) return value;
  if (value.get_ref<const std::string&>().empty()) return Json();
  return parse_json(value.get_ref<const std::string&>(), place);
}

Document conversation(Turns turns, const Json& tools, std::string source) {
  Json whole = {{"messages", std::move(turns.messages)}};
  if (!tools.is_null() && !tools.empty()) whole["tools"] = tools;
  return {
      .text = std::move(turns.text), .source = std::move(source), .conversation = to_line(whole)};
}

Result<Document> read_text(const Json& record, std::string_view key, std::string source,
                           std::string_view place) {
  PANAL_ASSIGN(std::string text, text_member(record, key, place));
  Document document{.text = std::move(text), .source = std::move(source)};
  if (json_has(record, "special_tokens")) {
    PANAL_ASSIGN(const std::string special, json_string(record, "special_tokens", place));
    if (special != "read" && special != "none") {
      return wrong(place, fmt::format("\"special_tokens\" must be read or none, found \"{}\"",
                                      special.substr(0, 60)));
    }
    document.reads_special_tokens = special == "read";
  }
  return document;
}

std::string members_of(const Json& record) {
  std::vector<std::string> names;
  for (const auto& [key, value] : record.items()) {
    if (names.size() == 12) {
      names.push_back("...");
      break;
    }
    names.push_back(key.substr(0, 40));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Result<Document> read_record(const Json& record, std::string_view text_column,
                             std::string_view place) {
  if (record.is_string()) {
    PANAL_ASSIGN(std::string text, normalise_text(record.get_ref<const std::string&>(), place));
    return Document{.text = std::move(text), .source = ""};
  }
  Turns turns;
  if (record.is_array()) {
    PANAL_TRY(add_turns(record, place, turns));
    return conversation(std::move(turns), nullptr, "");
  }
  if (!record.is_object()) {
    return wrong(place, fmt::format("expected an object, found {}", json_shown(record)));
  }
  std::string source;
  if (json_has(record, "source") && text_column != "source") {
    PANAL_ASSIGN(source, json_string(record, "source", place));
  }
  if (!text_column.empty()) {
    if (!record.contains(text_column)) {
      return wrong(
          place, fmt::format("\"{}\" is missing; there are: {}", text_column, members_of(record)));
    }
    return read_text(record, text_column, std::move(source), place);
  }
  const std::string_view turns_key = first_of(record, {kTurns[0], kTurns[1], kTurns[2]});
  const bool is_instruction =
      json_has(record, "instruction") && !first_of(record, {"output", "response"}).empty();
  if (turns_key.empty() && !is_instruction) {
    const bool is_message = json_has(record, "role");
    const std::string_view key =
        first_of(record, is_message ? std::initializer_list<std::string_view>{"text"}
                                    : std::initializer_list<std::string_view>{"text", "content"});
    if (!key.empty()) return read_text(record, key, std::move(source), place);
    return wrong(place, is_message ? "a turn without its conversation: the turns of one belong in "
                                     "a list \"messages\""
                                   : fmt::format("must have {}; there are: {}", kWanted,
                                                 members_of(record)));
  }
  PANAL_ASSIGN(std::string system, optional_text(record, "system", place));
  if (!system.empty()) turns.add("system", std::move(system));
  if (is_instruction && turns_key.empty()) {
    PANAL_TRY(add_instruction(record, place, turns));
    return conversation(std::move(turns), nullptr, std::move(source));
  }
  PANAL_ASSIGN(const Json list, list_in(record.at(std::string(turns_key)), place));
  PANAL_TRY(add_turns(list, place, turns));
  Json tools;
  if (json_has(record, "tools")) {
    PANAL_ASSIGN(tools, list_in(record.at("tools"), place));
  }
  return conversation(std::move(turns), tools, std::move(source));
}

Status check_columns(std::span<const std::string> columns, std::string_view text_column) {
  const auto has = [&](std::string_view name) {
    return std::ranges::find(columns, name) != columns.end();
  };
  const bool fits = text_column.empty()
                        ? std::ranges::any_of(kTurns, has) || has("text") || has("content") ||
                              (has("instruction") && (has("output") || has("response")))
                        : has(text_column);
  if (fits) return Status();
  const std::string wanted =
      text_column.empty() ? std::string(kWanted) : fmt::format("\"{}\"", text_column);
  return Status(Code::kInvalidArgument,
                fmt::format("expected a column {}, found the columns: {}; name the one with the "
                            "text by --text-column",
                            wanted, fmt::join(columns, ", ")));
}

}  // namespace panal::data::detail
