#include "api/openai_codec.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "api/detail/member_reader.h"

namespace panal::api {
namespace {

using detail::MemberReader;
using detail::WireJson;

constexpr std::size_t kMaxStops = 4;
constexpr std::int64_t kMaxTokens = std::numeric_limits<std::int32_t>::max();

void refuse(MemberReader& reader, std::string_view name, std::string_view what) {
  reader.fail(bad_request(fmt::format("'{}': {} not supported.", reader.full_name(name), what),
                          reader.full_name(name), "unsupported_parameter"));
}

// What these ask for would change the answer, so ignoring them would be a lie; their neutral
// values, which stock clients like to send, ask for nothing.
void refuse_unsupported(MemberReader& reader) {
  if (reader.integer("n", 1, 128).value_or(1) != 1) refuse(reader, "n", "more than one answer is");
  for (const char* name : {"frequency_penalty", "presence_penalty"}) {
    if (reader.number(name, -2, 2).value_or(0) != 0) refuse(reader, name, "penalties are");
  }
  const WireJson* bias = reader.find("logit_bias");
  if (bias != nullptr && !bias->empty()) refuse(reader, "logit_bias", "biasing tokens is");
}

void refuse_unsupported_in_chat(MemberReader& reader) {
  const WireJson* logprobs = reader.find("logprobs");
  if (logprobs != nullptr && *logprobs != false)
    refuse(reader, "logprobs", "log probabilities are");
  if (reader.integer("top_logprobs", 0, 20).value_or(0) != 0) {
    refuse(reader, "top_logprobs", "log probabilities are");
  }
  for (const char* name : {"tools", "functions"}) {
    const WireJson* tools = reader.find(name);
    if (tools != nullptr && !tools->empty()) refuse(reader, name, "calling tools is");
  }
  const WireJson* format = reader.find("response_format");
  if (format != nullptr && *format != WireJson{{"type", "text"}}) {
    refuse(reader, "response_format", "other answers than text are");
  }
  const WireJson* modalities = reader.find("modalities");
  if (modalities != nullptr && *modalities != WireJson::array({"text"})) {
    refuse(reader, "modalities", "other answers than text are");
  }
  if (reader.find("audio") != nullptr) refuse(reader, "audio", "other answers than text are");
}

void refuse_unsupported_in_completion(MemberReader& reader) {
  if (reader.boolean("echo").value_or(false)) refuse(reader, "echo", "repeating the prompt is");
  if (reader.find("logprobs") != nullptr) refuse(reader, "logprobs", "log probabilities are");
  if (reader.integer("best_of", 1, 128).value_or(1) != 1) {
    refuse(reader, "best_of", "more than one answer is");
  }
  if (!reader.string("suffix").value_or("").empty()) refuse(reader, "suffix", "filling a gap is");
}

void read_stops(MemberReader& reader, AnswerRequest& answer) {
  const WireJson* stop = reader.find("stop");
  if (stop == nullptr) return;
  const WireJson list = stop->is_string() ? WireJson::array({*stop}) : *stop;
  const std::string wanted =
      fmt::format("a string or a list of at most {} strings, none of them empty", kMaxStops);
  if (!list.is_array() || list.size() > kMaxStops) return reader.fail("stop", wanted, *stop);
  for (const WireJson& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
      return reader.fail("stop", wanted, text);
    }
    answer.stop.push_back(text.get<std::string>());
  }
}

void read_sampling(MemberReader& reader, AnswerRequest& answer) {
  answer.max_tokens = reader.integer("max_tokens", 1, kMaxTokens);
  if (answer.is_chat) {
    // The newer name of the same thing wins.
    const auto newer = reader.integer("max_completion_tokens", 1, kMaxTokens);
    if (newer) answer.max_tokens = newer;
  }
  answer.temperature = reader.number("temperature", 0, 2);
  answer.top_p = reader.number("top_p", 0, 1);
  if (answer.top_p == 0.0)
    answer.top_p = std::numeric_limits<float>::epsilon();  // The best token only.
  answer.top_k = reader.integer("top_k", -1, kMaxTokens);
  if (answer.top_k && *answer.top_k <= 0) answer.top_k = std::nullopt;  // Both mean "no limit".
  const auto seed = reader.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max());
  if (seed) answer.seed = static_cast<std::uint64_t>(*seed);
  read_stops(reader, answer);
}

void read_stream(MemberReader& reader, ApiRequest& request) {
  request.is_streamed = reader.boolean("stream").value_or(false);
  const WireJson* options = reader.find("stream_options");
  if (options == nullptr) return;
  if (!options->is_object()) return reader.fail("stream_options", "an object", *options);
  MemberReader inner(*options, "stream_options.");
  request.include_usage = inner.boolean("include_usage").value_or(false);
  if (inner.error()) reader.fail(*inner.error());
}

// Our own object is ours to read strictly: a misspelt key here is a wish that would silently get
// lost.
void read_panal(MemberReader& reader, AnswerRequest& answer) {
  const WireJson* panal = reader.find("panal");
  if (panal == nullptr) return;
  if (!panal->is_object()) return reader.fail("panal", "an object", *panal);
  for (const auto& [key, value] : panal->items()) {
    if (key == "route" || key == "split" || key == "panel") continue;
    return reader.fail(bad_request(
        fmt::format("'panal' has no member '{}'; it may have 'route', 'split' and 'panel'.",
                    key.substr(0, 60)),
        "panal", "unknown_parameter"));
  }
  MemberReader inner(*panal, "panal.");
  const auto route = inner.string("route");
  if (route && route->empty()) {
    inner.fail("route", "\"auto\", \"core\" or an expert's name", WireJson(*route));
  }
  if (route && *route != "auto") answer.route = *route;
  answer.split = inner.boolean("split");
  answer.panel = inner.boolean("panel");
  if (inner.error()) reader.fail(*inner.error());
}

std::optional<std::string> read_text_parts(MemberReader& reader, const WireJson& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const WireJson& part = parts[i];
    const std::string name = fmt::format("content[{}]", i);
    const bool is_typed = part.is_object() && part.contains("type") && part["type"].is_string();
    if (is_typed && part["type"] != "text") {
      refuse(reader, name, "content that is not text is");
      return std::nullopt;
    }
    if (!is_typed || !part.contains("text") || !part["text"].is_string()) {
      reader.fail(name, "{\"type\": \"text\", \"text\": ...}", part);
      return std::nullopt;
    }
    if (!text.empty()) text += '\n';
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

void read_message(MemberReader& reader, AnswerRequest& answer) {
  reader.require("role", "\"system\", \"developer\", \"user\" or \"assistant\"");
  reader.require("content", "a string or a list of text parts");
  const WireJson* role = reader.find("role");
  const WireJson* content = reader.find("content");
  if (role == nullptr || content == nullptr) return;
  static constexpr std::array<std::string_view, 4> kRoles = {"system", "developer", "user",
                                                             "assistant"};
  const auto is_role = [&](std::string_view name) {
    return role->is_string() && role->get_ref<const std::string&>() == name;
  };
  if (is_role("tool") || is_role("function")) return refuse(reader, "role", "calling tools is");
  bool is_known = false;
  for (const std::string_view name : kRoles) is_known = is_known || is_role(name);
  if (!is_known) {
    return reader.fail("role", "\"system\", \"developer\", \"user\" or \"assistant\"", *role);
  }
  std::optional<std::string> text;
  if (content->is_string()) {
    text = content->get<std::string>();
  } else if (content->is_array()) {
    text = read_text_parts(reader, *content);
  } else {
    reader.fail("content", "a string or a list of text parts", *content);
  }
  if (!text) return;
  answer.messages.push_back(
      {is_role("developer") ? "system" : role->get<std::string>(), std::move(*text)});
}

void read_messages(MemberReader& reader, AnswerRequest& answer) {
  const std::string wanted = "a list with at least one message";
  reader.require("messages", wanted);
  const WireJson* messages = reader.find("messages");
  if (messages == nullptr) return;
  if (!messages->is_array() || messages->empty()) return reader.fail("messages", wanted, *messages);
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const WireJson& message = (*messages)[i];
    const std::string name = fmt::format("messages[{}]", i);
    if (!message.is_object()) return reader.fail(name, "an object with role and content", message);
    MemberReader inner(message, name + ".");
    read_message(inner, answer);
    if (inner.error()) return reader.fail(*inner.error());
  }
}

void read_prompt(MemberReader& reader, AnswerRequest& answer) {
  const std::string wanted = "a string, or a list with one string";
  reader.require("prompt", wanted);
  const WireJson* prompt = reader.find("prompt");
  if (prompt == nullptr) return;
  if (prompt->is_array() && prompt->size() == 1) prompt = &prompt->front();
  if (!prompt->is_string()) return reader.fail("prompt", wanted, *prompt);
  answer.prompt = prompt->get<std::string>();
}

std::variant<ApiRequest, ApiError> parse_request(std::string_view body, bool is_chat) {
  auto parsed = detail::parse_object(body);
  if (auto* error = std::get_if<ApiError>(&parsed)) return std::move(*error);
  MemberReader reader(std::get<WireJson>(parsed), "");
  ApiRequest request;
  request.answer.is_chat = is_chat;
  reader.require("model", "a model's name");
  request.answer.model = reader.string("model").value_or("");
  if (is_chat) {
    read_messages(reader, request.answer);
    refuse_unsupported_in_chat(reader);
  } else {
    read_prompt(reader, request.answer);
    refuse_unsupported_in_completion(reader);
  }
  refuse_unsupported(reader);
  read_sampling(reader, request.answer);
  read_stream(reader, request);
  read_panal(reader, request.answer);
  if (reader.error()) return *reader.error();
  return request;
}

Json usage_json(const AnswerSummary& summary) {
  return Json{{"prompt_tokens", summary.prompt_tokens},
              {"completion_tokens", summary.completion_tokens},
              {"total_tokens", summary.prompt_tokens + summary.completion_tokens}};
}

Json envelope(const AnswerIdentity& identity, std::string_view object, Json choices) {
  return Json{{"id", identity.id},
              {"object", object},
              {"created", identity.created_unix_s},
              {"model", identity.model},
              {"choices", std::move(choices)}};
}

Json chunk(const AnswerIdentity& identity, Json delta_or_text, const Json& finish_reason) {
  Json choice = {{"index", 0}};
  choice[identity.is_chat ? "delta" : "text"] = std::move(delta_or_text);
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish_reason;
  return envelope(identity, identity.is_chat ? "chat.completion.chunk" : "text_completion",
                  Json::array({std::move(choice)}));
}

}  // namespace

std::variant<ApiRequest, ApiError> parse_chat_request(std::string_view body) {
  return parse_request(body, true);
}

std::variant<ApiRequest, ApiError> parse_completion_request(std::string_view body) {
  return parse_request(body, false);
}

Json answer_json(const AnswerIdentity& identity, std::string_view text,
                 const AnswerSummary& summary) {
  Json choice = {{"index", 0}};
  if (identity.is_chat) {
    choice["message"] = {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
  } else {
    choice["text"] = text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = summary.finish_reason;
  Json answer = envelope(identity, identity.is_chat ? "chat.completion" : "text_completion",
                         Json::array({std::move(choice)}));
  answer["usage"] = usage_json(summary);
  answer["panal"] = summary.trace;
  return answer;
}

Json role_chunk(const AnswerIdentity& identity) {
  return chunk(identity, {{"role", "assistant"}, {"content", ""}}, nullptr);
}

Json text_chunk(const AnswerIdentity& identity, std::string_view delta) {
  return chunk(identity, identity.is_chat ? Json{{"content", delta}} : Json(delta), nullptr);
}

Json finish_chunk(const AnswerIdentity& identity, const AnswerSummary& summary) {
  Json last =
      chunk(identity, identity.is_chat ? Json::object() : Json(""), Json(summary.finish_reason));
  last["panal"] = summary.trace;
  return last;
}

Json usage_chunk(const AnswerIdentity& identity, const AnswerSummary& summary) {
  Json last = envelope(identity, identity.is_chat ? "chat.completion.chunk" : "text_completion",
                       Json::array());
  last["usage"] = usage_json(summary);
  return last;
}

Json model_json(const ModelEntry& model) {
  return Json{{"id", model.id},
              {"object", "model"},
              {"created", model.created_unix_s},
              {"owned_by", model.owned_by},
              {"panal", model.details}};
}

Json model_list_json(const std::vector<ModelEntry>& models) {
  Json data = Json::array();
  for (const ModelEntry& model : models) data.push_back(model_json(model));
  return Json{{"object", "list"}, {"data", std::move(data)}};
}

std::string sse_event(const Json& data) { return "data: " + to_line(data) + "\n\n"; }

}  // namespace panal::api
