#include "data/encode_conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace panal::data {
namespace {

constexpr std::string_view kWhere = "conversation";

// Puts a mark inside whatever in the messages would be read as a special token; the tokenizer takes
// the mark out again after special tokens were looked for. A template sees all other text
// unchanged.
class Shield {
 public:
  Shield(std::span<const std::string> special_texts, const Json& messages, const Json& variables)
      : special_texts_(special_texts) {
    for (const std::string& special : special_texts_) {
      is_first_byte_[static_cast<unsigned char>(special[0])] = true;
    }
    // A noncharacter that nobody wrote: there are 32 of them for private use.
    const std::string all = to_line(messages) + to_line(variables);
    for (unsigned char last = 0x90; last < 0xB0; ++last) {
      mark_ = {'\xEF', '\xB7', static_cast<char>(last)};
      if (all.find(mark_) == std::string::npos) break;
    }
  }

  const std::string& mark() const { return mark_; }

  Json shielded(const Json& value) const {
    if (value.is_string()) return shielded_text(value.get_ref<const std::string&>());
    if (value.is_array()) {
      Json list = Json::array();
      for (const Json& item : value) list.push_back(shielded(item));
      return list;
    }
    if (!value.is_object()) return value;
    Json object = Json::object();
    for (const auto& [key, item] : value.items()) object[shielded_text(key)] = shielded(item);
    return object;
  }

 private:
  // Whether a special token begins here, whole, or as far as the text goes: what comes after it
  // might be the rest.
  bool begins_special(std::string_view rest) const {
    return std::ranges::any_of(special_texts_, [&](const std::string& special) {
      return rest.starts_with(special) || std::string_view(special).starts_with(rest);
    });
  }

  std::string shielded_text(const std::string& text) const {
    std::string out;
    std::size_t copied = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (!is_first_byte_[static_cast<unsigned char>(text[at])]) continue;
      if (!begins_special(std::string_view(text).substr(at))) continue;
      std::size_t after = at + 1;  // After the whole first character.
      while (after < text.size() && (text[after] & 0xC0) == 0x80) ++after;
      out.append(text, copied, after - copied);
      out += mark_;
      copied = after;
    }
    return copied == 0 ? text : out.append(text, copied, std::string::npos);
  }

  const std::span<const std::string> special_texts_;  // Outlives the shield.
  std::array<bool, 256> is_first_byte_{};
  std::string mark_;
};

// A conversation on its way through a template.
class Rendering {
 public:
  Rendering(const tokenizer::Tokenizer& tokenizer, const chat::ChatTemplate& chat_template,
            std::span<const std::string> special_texts, const Json& messages,
            const chat::ChatTemplateOptions& options)
      : tokenizer_(tokenizer),
        chat_template_(chat_template),
        shield_(special_texts, messages, options.variables),
        messages_(shield_.shielded(messages)),
        options_(options) {
    options_.variables = shield_.shielded(options.variables);
  }

  Result<std::string> text(std::size_t num_messages, bool add_generation_prompt) const {
    Json first = Json::array();
    for (std::size_t i = 0; i < num_messages; ++i) first.push_back(messages_[i]);
    chat::ChatTemplateOptions options = options_;
    options.add_generation_prompt = add_generation_prompt;
    return chat_template_.render(first, options);
  }
  Result<std::string> text() const { return chat_template_.render(messages_, options_); }
  std::vector<std::int32_t> tokens(std::string_view text) const {
    return tokenizer_.encode(
        text, {.special = tokenizer::SpecialTokens::kParse, .shield = shield_.mark()});
  }

 private:
  const tokenizer::Tokenizer& tokenizer_;
  const chat::ChatTemplate& chat_template_;
  const Shield shield_;
  const Json messages_;
  chat::ChatTemplateOptions options_;
};

std::size_t common_length(std::string_view a, std::string_view b) {
  const auto [end, other] = std::ranges::mismatch(a, b);
  auto length = static_cast<std::size_t>(end - a.begin());
  while (length > 0 && length < b.size() && (b[length] & 0xC0) == 0x80) --length;
  return length;
}

// Where in the whole text the turn of message `index` begins: where the prompt for it ends. The
// turns before it end at or before `from`.
Result<std::size_t> turn_begin(const Rendering& rendering, std::size_t index,
                               std::string_view whole, std::size_t from) {
  PANAL_ASSIGN(const std::string prompt, rendering.text(index, true));
  if (prompt.size() >= from && whole.starts_with(prompt)) return prompt.size();
  PANAL_ASSIGN(const std::string before, rendering.text(index, false));
  // Where a template shows what came before otherwise once more follows, the opening of the turn is
  // looked for: nobody's text can hold its marks.
  if (prompt.starts_with(before)) {
    const std::string_view opening = std::string_view(prompt).substr(before.size());
    const std::size_t found = opening.empty() ? std::string::npos : whole.find(opening, from);
    if (found != std::string_view::npos) return found + opening.size();
  }
  // A prompt may open more than the turn itself has: "<think>".
  const std::size_t common = common_length(prompt, whole);
  if (common > before.size() && common > from && whole.starts_with(before)) return common;
  return Status(
      Code::kInvalidArgument,
      fmt::format("in what the chat template makes of it, message {} cannot be found", index + 1));
}

// The tokens from the start of a turn to that of the next; `learned` counts those of the turn.
Result<std::vector<std::int32_t>> turn_tokens(const Rendering& rendering,
                                              const tokenizer::Tokenizer& tokenizer,
                                              std::size_t index, std::string_view whole,
                                              std::size_t begin, std::size_t end,
                                              std::size_t& learned) {
  std::vector<std::int32_t> ids = rendering.tokens(whole.substr(begin, end - begin));
  const auto& stops = tokenizer.stop_ids();
  const auto stop = std::ranges::find_if(
      ids, [&](std::int32_t id) { return std::ranges::binary_search(stops, id); });
  if (stop != ids.end()) {
    learned = static_cast<std::size_t>(stop - ids.begin()) + 1;
    return ids;
  }
  PANAL_ASSIGN(const std::string with_turn, rendering.text(index + 1, false));
  const std::size_t turn_end = std::clamp(common_length(with_turn, whole), begin, end);
  ids = rendering.tokens(whole.substr(begin, turn_end - begin));
  learned = ids.size();
  const auto rest = rendering.tokens(whole.substr(turn_end, end - turn_end));
  ids.insert(ids.end(), rest.begin(), rest.end());
  return ids;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

// Whether a turn's text ends as its message does: a template may cut thoughts from the front, put
// something there, and trim, but what it shows must be that message. Calls come after the content.
bool says(std::string_view text, const Json& message) {
  constexpr std::size_t kEnoughBytes = 32;
  if (json_has(message, "tool_calls") || !json_has(message, "content") ||
      !message.at("content").is_string()) {
    return true;
  }
  const std::string_view shown = trimmed(text);
  const std::string_view content = trimmed(message.at("content").get_ref<const std::string&>());
  if (content.empty()) return true;
  const auto [end, other] =
      std::mismatch(shown.rbegin(), shown.rend(), content.rbegin(), content.rend());
  const auto common = static_cast<std::size_t>(end - shown.rbegin());
  return common > 0 && common >= std::min({shown.size(), content.size(), kEnoughBytes});
}

Result<TokenDocument> with_marked_turns(const Rendering& rendering,
                                        const tokenizer::Tokenizer& tokenizer, const Json& messages,
                                        std::string_view whole) {
  std::vector<std::size_t> turns, begins;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].at("role") != "assistant") continue;
    PANAL_ASSIGN(const std::size_t begin,
                 turn_begin(rendering, i, whole, begins.empty() ? 0 : begins.back()));
    turns.push_back(i);
    begins.push_back(begin);
  }
  if (turns.empty()) return Status(Code::kInvalidArgument, "nobody in it is the assistant");
  TokenDocument made{.is_end_learned = false};
  made.tokens = rendering.tokens(whole.substr(0, begins[0]));
  made.is_learned.assign(made.tokens.size(), false);
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const std::size_t end = i + 1 < turns.size() ? begins[i + 1] : whole.size();
    std::size_t learned = 0;
    PANAL_ASSIGN(const std::vector<std::int32_t> ids,
                 turn_tokens(rendering, tokenizer, turns[i], whole, begins[i], end, learned));
    const bool has_end =
        learned > 0 && std::ranges::binary_search(tokenizer.stop_ids(), ids[learned - 1]);
    const auto said = std::span(ids).first(learned - (has_end ? 1 : 0));
    if (!says(tokenizer.decode(said, false), messages[turns[i]])) {
      return Status(Code::kInvalidArgument,
                    fmt::format("the chat template leaves out message {} or shows it otherwise "
                                "when more follow, so what the assistant said cannot be told apart",
                                turns[i] + 1));
    }
    made.tokens.insert(made.tokens.end(), ids.begin(), ids.end());
    made.is_learned.insert(made.is_learned.end(), learned, true);
    made.is_learned.insert(made.is_learned.end(), ids.size() - learned, false);
  }
  return made;
}

}  // namespace

std::string_view train_on_name(TrainOn train_on) {
  return train_on == TrainOn::kAll ? "all" : "assistant";
}

ChatEncoder::ChatEncoder(const tokenizer::Tokenizer& tokenizer,
                         const chat::ChatTemplate& chat_template)
    : tokenizer_(tokenizer),
      chat_template_(chat_template),
      special_texts_(tokenizer.special_texts()) {}

Result<std::vector<std::int32_t>> ChatEncoder::prompt(
    const Json& messages, const chat::ChatTemplateOptions& options) const {
  const Rendering rendering(tokenizer_, chat_template_, special_texts_, messages, options);
  PANAL_ASSIGN(const std::string text, rendering.text());
  return rendering.tokens(text);
}

Result<TokenDocument> ChatEncoder::conversation(std::string_view conversation,
                                                TrainOn train_on) const {
  PANAL_ASSIGN(const Json parsed, parse_json(conversation, kWhere));
  if (!json_has(parsed, "messages") || !parsed.at("messages").is_array()) {
    return Status(Code::kInvalidArgument, "conversation: \"messages\" must be a list");
  }
  const Json& messages = parsed.at("messages");
  for (const Json& message : messages) PANAL_TRY(json_string(message, "role", kWhere).status());
  chat::ChatTemplateOptions options{
      .add_generation_prompt = false, .bos = tokenizer_.bos_text(), .eos = tokenizer_.eos_text()};
  if (json_has(parsed, "tools")) options.variables["tools"] = parsed.at("tools");
  const Rendering rendering(tokenizer_, chat_template_, special_texts_, messages, options);
  PANAL_ASSIGN(const std::string whole, rendering.text());
  if (train_on == TrainOn::kAll) return TokenDocument{.tokens = rendering.tokens(whole)};
  return with_marked_turns(rendering, tokenizer_, messages, whole);
}

}  // namespace panal::data
