// Requests.
#include "api/openai_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "api/detail/member_reader.h"
#include "base/rng.h"

namespace panal::api {
namespace {

using detail::MemberReader;
using detail::WireJson;

constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxPrompts = 128;
constexpr std::int64_t kMaxChoices = 128;
constexpr std::size_t kMaxChoiceBytes = 32u << 20;
constexpr std::int64_t kMaxLogprobs = 20;
constexpr std::size_t kMaxBiases = 4096;
constexpr std::int64_t kMaxTokens = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kDefaultCompletionTokens = 16;

void refuse(MemberReader& reader, std::string_view name, std::string_view what) {
  reader.fail(bad_request(fmt::format("'{}': {} not supported.", reader.full_name(name), what),
                          reader.full_name(name), "unsupported_parameter"));
}

bool asks_for_something(const WireJson& value) {
  return !(value.is_boolean() && value == false) &&
         !((value.is_array() || value.is_object()) && value.empty()) &&
         !(value.is_string() && value.get_ref<const std::string&>().empty());
}

// What these ask for would change the answer, so ignoring them would be a lie; their neutral
// values, which stock clients like to send, ask for nothing.
void refuse_unsupported(MemberReader& reader) {
  for (const char* name : {"grammar", "json_schema", "structured_outputs", "guided_json",
                           "guided_regex", "guided_choice", "guided_grammar"}) {
    const WireJson* value = reader.find(name);
    if (value != nullptr && asks_for_something(*value))
      refuse(reader, name, "constraining the answer is");
  }
}

void refuse_unsupported_in_chat(MemberReader& reader) {
  for (const char* name : {"tools", "functions"}) {
    const WireJson* tools = reader.find(name);
    if (tools != nullptr && !tools->empty()) refuse(reader, name, "calling tools is");
  }
  const WireJson* format = reader.find("response_format");
  if (format != nullptr) {
    const auto type = format->is_object() ? format->find("type") : format->end();
    if (!format->is_object() || type == format->end() || *type != "text") {
      refuse(reader, "response_format", "other answers than text are");
    }
  }
  const WireJson* modalities = reader.find("modalities");
  if (modalities != nullptr && *modalities != WireJson::array({"text"})) {
    refuse(reader, "modalities", "other answers than text are");
  }
  if (reader.find("audio") != nullptr) refuse(reader, "audio", "other answers than text are");
}

void refuse_unsupported_in_completion(MemberReader& reader) {
  if (reader.boolean("echo").value_or(false)) refuse(reader, "echo", "repeating the prompt is");
  const auto best_of = reader.integer("best_of", 1, kMaxChoices);
  if (best_of && *best_of != reader.integer("n", 1, kMaxChoices).value_or(1)) {
    refuse(reader, "best_of", "choosing among more answers than 'n' is");
  }
  if (!reader.string("suffix").value_or("").empty()) refuse(reader, "suffix", "filling a gap is");
}

void read_stops(MemberReader& reader, work::Generation& generation) {
  const WireJson* stop = reader.find("stop");
  if (stop == nullptr) return;
  const WireJson list = stop->is_string() ? WireJson::array({*stop}) : *stop;
  const std::string wanted = fmt::format("a string or a list of at most {} strings", kMaxStops);
  if (!list.is_array() || list.size() > kMaxStops) return reader.fail("stop", wanted, *stop);
  for (const WireJson& text : list) {
    if (!text.is_string()) return reader.fail("stop", wanted, text);
    // An empty text ends nothing; clients send it for "none".
    if (!text.get_ref<const std::string&>().empty())
      generation.stop.push_back(text.get<std::string>());
  }
}

// A chat asks by a boolean and the number of the likeliest, a completion by that number alone.
void read_logprobs(MemberReader& reader, bool is_chat, work::Generation& generation) {
  if (!is_chat) {
    generation.logprobs = reader.integer("logprobs", 0, kMaxLogprobs);
    return;
  }
  const auto likeliest = reader.integer("top_logprobs", 0, kMaxLogprobs);
  if (reader.boolean("logprobs").value_or(false)) {
    generation.logprobs = likeliest.value_or(0);
  } else if (likeliest.value_or(0) > 0) {
    reader.fail(
        bad_request("'top_logprobs' is for answers with log probabilities: set 'logprobs' "
                    "to true, or leave it out.",
                    "top_logprobs", "invalid_value"));
  }
}

// -1 is how clients write "no limit"; what is over the context is cut to it.
std::optional<std::int64_t> read_token_limit(MemberReader& reader, const char* name) {
  const auto limit = reader.integer(name, -1, std::numeric_limits<std::int64_t>::max());
  if (limit == 0) reader.fail(name, "1 or more, or -1 for no limit", 0);
  if (!limit || *limit < 1) return std::nullopt;
  return std::min(*limit, kMaxTokens);
}

// {"5": -100}: token ids as strings, since JSON has no other keys.
void read_logit_bias(MemberReader& reader, work::Sampling& sampling) {
  const WireJson* biases = reader.find("logit_bias");
  if (biases == nullptr) return;
  const std::string wanted = fmt::format(
      "an object of at most {} token ids, each with a number from -100 to 100", kMaxBiases);
  if (!biases->is_object() || biases->size() > kMaxBiases)
    return reader.fail("logit_bias", wanted, *biases);
  for (const auto& [id, bias] : biases->items()) {
    work::TokenBias biased;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), biased.token);
    if (error != std::errc() || end != id.data() + id.size() || biased.token < 0)
      return reader.fail("logit_bias", wanted, WireJson(id));
    if (!bias.is_number() || std::abs(bias.get<double>()) > 100)
      return reader.fail("logit_bias", wanted, bias);
    biased.bias = bias.get<double>();
    sampling.logit_bias.push_back(biased);
  }
}

void read_sampling(MemberReader& reader, work::Sampling& sampling) {
  constexpr double kTiny = std::numeric_limits<float>::epsilon();
  sampling.temperature = reader.number("temperature", 0, 2);
  sampling.top_p = reader.number("top_p", 0, 1);
  if (sampling.top_p == 0.0) sampling.top_p = kTiny;  // The best token only.
  sampling.min_p = reader.number("min_p", 0, 1);
  sampling.top_k = reader.integer("top_k", -1, kMaxTokens);
  if (sampling.top_k == -1) sampling.top_k = 0;  // Both mean "no limit".
  sampling.seed = reader.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                 std::numeric_limits<std::int64_t>::max());
  if (sampling.seed == -1) sampling.seed = std::nullopt;  // "Another one each time".
  sampling.frequency_penalty = reader.number("frequency_penalty", -2, 2);
  sampling.presence_penalty = reader.number("presence_penalty", -2, 2);
  for (const char* name : {"repeat_penalty", "repetition_penalty"}) {
    const auto penalty = reader.number(name, 0.01, 100);
    if (penalty) sampling.repetition_penalty = penalty;
  }
  read_logit_bias(reader, sampling);
}

void read_common(MemberReader& reader, bool is_chat, work::Generation& generation) {
  generation.model = reader.string("model").value_or("");
  generation.max_tokens = read_token_limit(reader, "max_tokens");
  if (is_chat) {
    // The newer name of the same thing wins.
    const auto newer = read_token_limit(reader, "max_completion_tokens");
    if (newer) generation.max_tokens = newer;
  } else if (reader.find("max_tokens") == nullptr) {
    generation.max_tokens = kDefaultCompletionTokens;
  }
  read_logprobs(reader, is_chat, generation);
  generation.min_tokens = reader.integer("min_tokens", 0, kMaxTokens).value_or(0);
  if (generation.min_tokens > generation.max_tokens.value_or(kMaxTokens)) {
    reader.fail("min_tokens", "no more than max_tokens", WireJson(generation.min_tokens));
  }
  generation.ignore_eos = reader.boolean("ignore_eos").value_or(false);
  read_sampling(reader, generation.sampling);
  read_stops(reader, generation);
}

void read_stream(MemberReader& reader, ApiRequest& request) {
  request.is_streamed = reader.boolean("stream").value_or(false);
  const WireJson* options = reader.find("stream_options");
  if (options == nullptr) return;
  if (!options->is_object()) return reader.fail("stream_options", "an object", *options);
  if (!request.is_streamed) {
    return reader.fail(
        bad_request("'stream_options' is for answers that are streamed: set 'stream' "
                    "to true, or leave it out.",
                    "stream_options", "invalid_value"));
  }
  MemberReader inner(*options, "stream_options.");
  request.include_usage = inner.boolean("include_usage").value_or(false);
  if (inner.error()) reader.fail(*inner.error());
}

// Our own object is ours to read strictly: a misspelt key here is a wish that would silently get
// lost.
void read_panal(MemberReader& reader, work::Generation& answer) {
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
  if (route && *route != "auto") answer.expert = *route;
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

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                    "tool"};
constexpr char kWantedRole[] = "\"system\", \"developer\", \"user\", \"assistant\" or \"tool\"";

// Only a user must say something: an assistant that called a tool has no text.
std::optional<std::string> read_content(MemberReader& reader, const std::string& role) {
  constexpr char kWanted[] = "a string or a list of text parts";
  if (role == "user") reader.require("content", kWanted);
  const WireJson* content = reader.find("content");
  if (content == nullptr) return std::string();
  if (content->is_string()) return content->get<std::string>();
  if (content->is_array()) return read_text_parts(reader, *content);
  reader.fail("content", kWanted, *content);
  return std::nullopt;
}

void read_message(MemberReader& reader, work::Conversation& messages) {
  reader.require("role", kWantedRole);
  const WireJson* role = reader.find("role");
  if (role == nullptr) return;
  if (!role->is_string() ||
      std::ranges::find(kRoles, role->get_ref<const std::string&>()) == kRoles.end()) {
    return reader.fail("role", kWantedRole, *role);
  }
  work::Message message{.role = role->get<std::string>()};
  auto content = read_content(reader, message.role);
  if (!content) return;
  message.content = *std::move(content);
  if (message.role == "developer") message.role = "system";
  message.name = reader.string("name");
  message.tool_call_id = reader.string("tool_call_id");
  if (const WireJson* calls = reader.find("tool_calls")) {
    if (!calls->is_array()) return reader.fail("tool_calls", "a list", *calls);
    message.tool_calls = Json::parse(calls->dump());
  }
  if (!reader.error()) messages.push_back(std::move(message));
}

void read_messages(MemberReader& reader, work::Generation& generation) {
  const std::string wanted = "a list of at least one message";
  reader.require("messages", wanted);
  const WireJson* messages = reader.find("messages");
  if (messages == nullptr) return;
  if (!messages->is_array() || messages->empty()) return reader.fail("messages", wanted, *messages);
  work::Conversation conversation;
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const WireJson& message = (*messages)[i];
    const std::string name = fmt::format("messages[{}]", i);
    if (!message.is_object()) return reader.fail(name, "an object with role and content", message);
    MemberReader inner(message, name + ".");
    read_message(inner, conversation);
    if (inner.error()) return reader.fail(*inner.error());
  }
  generation.input = std::move(conversation);
}

bool is_id_list(const WireJson& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const WireJson& id) { return id.is_number_integer(); });
}

using Input = decltype(work::Generation::input);

std::optional<Input> read_one_prompt(MemberReader& reader, const WireJson& prompt) {
  if (prompt.is_string()) return Input(prompt.get<std::string>());
  if (!is_id_list(prompt)) {
    reader.fail("prompt", "a string, a list of token ids, or a list of such prompts", prompt);
    return std::nullopt;
  }
  work::TokenIds ids;
  for (const WireJson& id : prompt) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > std::uint64_t(kMaxTokens)) {
      reader.fail("prompt", fmt::format("token ids from 0 to {}", kMaxTokens), id);
      return std::nullopt;
    }
    ids.push_back(id.get<std::int32_t>());
  }
  return Input(std::move(ids));
}

// A missing prompt goes on from nothing, as OpenAI's does from "<|endoftext|>".
std::vector<Input> read_prompts(MemberReader& reader) {
  const WireJson* prompt = reader.find("prompt");
  if (prompt == nullptr || (prompt->is_array() && prompt->empty())) return {Input(std::string())};
  std::vector<Input> inputs;
  if (!prompt->is_array() || is_id_list(*prompt)) {
    if (auto input = read_one_prompt(reader, *prompt)) inputs.push_back(*std::move(input));
    return inputs;
  }
  if (prompt->size() > kMaxPrompts) {
    reader.fail("prompt", fmt::format("a list of at most {} prompts", kMaxPrompts), *prompt);
  }
  for (const WireJson& one : *prompt) {
    if (reader.error()) break;
    if (auto input = read_one_prompt(reader, one)) inputs.push_back(*std::move(input));
  }
  return inputs;
}

// n answers to each prompt, by seeds of their own.
void add_choices(const work::Generation& generation, ApiRequest& request) {
  for (std::size_t choice = 0; choice < request.choices_per_prompt; ++choice) {
    request.generations.push_back(generation);
    auto& seed = request.generations.back().sampling.seed;
    if (seed && choice > 0) {
      seed = static_cast<std::int64_t>(derive_seed(static_cast<std::uint64_t>(*seed), choice));
    }
  }
}

// Every choice has a copy of what is asked, so that n would multiply what a body may take.
std::size_t read_choices(MemberReader& reader, std::size_t num_prompts, std::size_t body_bytes) {
  const auto n = static_cast<std::size_t>(reader.integer("n", 1, kMaxChoices).value_or(1));
  if (n > 1 && n * num_prompts > std::size_t{kMaxChoices}) {
    reader.fail("n", fmt::format("at most {} answers to all prompts together", kMaxChoices),
                WireJson(n));
  }
  if (n > 1 && n * body_bytes > kMaxChoiceBytes) {
    reader.fail("n",
                fmt::format("at most {} MiB of requests, each choice counted as one of {} bytes",
                            kMaxChoiceBytes >> 20, body_bytes),
                WireJson(n));
  }
  return n;
}

std::variant<ApiRequest, ApiError> parse_request(std::string_view body, bool is_chat) {
  auto parsed = detail::parse_object(body);
  if (auto* error = std::get_if<ApiError>(&parsed)) return std::move(*error);
  MemberReader reader(std::get<WireJson>(parsed), "");
  ApiRequest request;
  request.is_chat = is_chat;
  work::Generation generation;
  std::vector<Input> prompts;
  if (is_chat) {
    read_messages(reader, generation);
    refuse_unsupported_in_chat(reader);
  } else {
    prompts = read_prompts(reader);
    generation.special_tokens = reader.boolean("add_special_tokens").value_or(true);
    refuse_unsupported_in_completion(reader);
  }
  refuse_unsupported(reader);
  read_common(reader, is_chat, generation);
  read_stream(reader, request);
  read_panal(reader, generation);
  request.choices_per_prompt = read_choices(reader, is_chat ? 1 : prompts.size(), body.size());
  if (reader.error()) return *reader.error();
  if (is_chat) add_choices(generation, request);
  for (Input& prompt : prompts) {
    generation.input = std::move(prompt);
    add_choices(generation, request);
  }
  return request;
}

}  // namespace

std::variant<ApiRequest, ApiError> parse_chat_request(std::string_view body) {
  return parse_request(body, true);
}

std::variant<ApiRequest, ApiError> parse_completion_request(std::string_view body) {
  return parse_request(body, false);
}

}  // namespace panal::api
