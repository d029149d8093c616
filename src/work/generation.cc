#include "work/generation.h"

#include <array>

#include "work/detail/describe.h"

namespace panal::work {
namespace {

constexpr std::int64_t kMostTokens = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMostLogprobs = 20;
constexpr std::size_t kMostStops = 16;
constexpr std::size_t kMostStopBytes = 1024;
constexpr std::array<std::pair<FinishReason, std::string_view>, 3> kFinishReasons{{
    {FinishReason::kStop, "stop"},
    {FinishReason::kLength, "length"},
    {FinishReason::kCancelled, "cancelled"},
}};

}  // namespace

detail::EnumNames<FinishReason> enum_names(FinishReason) { return kFinishReasons; }

std::string_view finish_reason_name(FinishReason reason) {
  for (const auto& [known, name] : kFinishReasons) {
    if (known == reason) return name;
  }
  return "stop";
}

template <typename Members>
void describe(Members& members, detail::Is<Message> auto& self) {
  members.required("role", self.role);
  members.required("content", self.content);
  members.wish("name", self.name);
  members.wish("tool_call_id", self.tool_call_id);
  members.wish("tool_calls", self.tool_calls);
}

template <typename Members>
void describe(Members& members, detail::Is<TokenBias> auto& self) {
  members.required("token", self.token, detail::Range<std::int64_t>{0, kMostTokens});
  members.required("bias", self.bias, detail::Range<double>{-100, 100});
}

template <typename Members>
void describe(Members& members, detail::Is<Sampling> auto& self) {
  using Bounds = detail::Range<double>;
  members.wish("temperature", self.temperature, Bounds{0, 100});
  members.wish("top_p", self.top_p, Bounds{std::numeric_limits<double>::min(), 1});
  members.wish("min_p", self.min_p, Bounds{0, 1});
  members.wish("top_k", self.top_k, detail::Range<std::int64_t>{0, kMostTokens});
  members.wish("seed", self.seed);
  members.wish("frequency_penalty", self.frequency_penalty, Bounds{-2, 2});
  members.wish("presence_penalty", self.presence_penalty, Bounds{-2, 2});
  members.wish("repetition_penalty", self.repetition_penalty, Bounds{0.01, 100});
  members.defaulted("logit_bias", self.logit_bias);
}

namespace {

void describe_input(detail::Encoder& members, const Generation& self) {
  if (const auto* messages = std::get_if<Conversation>(&self.input)) {
    members.required("messages", *messages);
  } else if (const auto* prompt = std::get_if<std::string>(&self.input)) {
    members.required("prompt", *prompt);
  } else {
    members.required("prompt_ids", std::get<TokenIds>(self.input));
  }
}

void describe_input(detail::Decoder& members, Generation& self) {
  std::optional<Conversation> messages;
  std::optional<std::string> prompt;
  std::optional<TokenIds> ids;
  members.wish("messages", messages);
  members.wish("prompt", prompt);
  members.wish("prompt_ids", ids, detail::Range<std::int64_t>{0, kMostTokens});
  if (messages.has_value() + prompt.has_value() + ids.has_value() != 1) {
    return members.fail(fmt::format(
        "{}: exactly one of \"messages\", \"prompt\" and \"prompt_ids\" is wanted, found {}",
        members.where(), messages.has_value() + prompt.has_value() + ids.has_value()));
  }
  if (messages) self.input = *std::move(messages);
  if (prompt) self.input = *std::move(prompt);
  if (ids) self.input = *std::move(ids);
}

void check_stops(detail::Encoder&, const Generation&) {}
void check_stops(detail::Decoder& members, const Generation& self) {
  if (self.stop.size() > kMostStops) {
    return members.fail(fmt::format("{}: \"stop\" may hold {} texts, found {}", members.where(),
                                    kMostStops, self.stop.size()));
  }
  for (const std::string& text : self.stop) {
    if (!text.empty() && text.size() <= kMostStopBytes) continue;
    return members.fail(fmt::format("{}: a text of \"stop\" must have 1 to {} bytes, found {}",
                                    members.where(), kMostStopBytes, text.size()));
  }
}

}  // namespace

template <typename Members>
void describe(Members& members, detail::Is<Generation> auto& self) {
  members.defaulted("request_id", self.request_id);
  members.defaulted("model", self.model);
  members.defaulted("expert", self.expert);
  describe_input(members, self);
  members.defaulted("special_tokens", self.special_tokens);
  members.wish("max_tokens", self.max_tokens, detail::Range<std::int64_t>{1, kMostTokens});
  members.defaulted("min_tokens", self.min_tokens, detail::Range<std::int64_t>{0, kMostTokens});
  members.defaulted("ignore_eos", self.ignore_eos);
  members.defaulted("sampling", self.sampling);
  members.wish("logprobs", self.logprobs, detail::Range<std::int64_t>{0, kMostLogprobs});
  members.defaulted("stop", self.stop);
  check_stops(members, self);
  members.wish("split", self.split);
  members.wish("panel", self.panel);
}

template <typename Members>
void describe(Members& members, detail::Is<TokenLogprob> auto& self) {
  members.required("token", self.token, detail::Range<std::int64_t>{0, kMostTokens});
  members.required("bytes", self.bytes, detail::Range<std::int64_t>{0, 255});
  members.required("logprob", self.logprob,
                   detail::Range<double>{std::numeric_limits<double>::lowest(), 0});
}

template <typename Members>
void describe(Members& members, detail::Is<TokenLogprobs> auto& self) {
  members.required("chosen", self.chosen);
  members.defaulted("likeliest", self.likeliest);
}

template <typename Members>
void describe(Members& members, detail::Is<GenerationResult> auto& self) {
  members.required("text", self.text);
  members.defaulted("token_ids", self.token_ids, detail::Range<std::int64_t>{0, kMostTokens});
  members.defaulted("logprobs", self.logprobs);
  members.required("finish_reason", self.finish_reason);
  members.required("prompt_tokens", self.prompt_tokens, detail::kCount);
  members.required("completion_tokens", self.completion_tokens, detail::kCount);
  members.optional("queue_ms", self.queue_ms, detail::kNotNegative);
  members.optional("prefill_ms", self.prefill_ms, detail::kNotNegative);
  members.optional("time_to_first_token_ms", self.time_to_first_token_ms, detail::kNotNegative);
  members.optional("tokens_per_s", self.tokens_per_s, detail::kNotNegative);
  members.optional("total_ms", self.total_ms, detail::kNotNegative);
  members.required("energy", self.energy);
}

namespace {

void describe_event(detail::Encoder& members, const GenerationEvent& self) {
  if (const auto* text = std::get_if<std::string>(&self.event)) {
    members.required("text", *text);
  } else if (const auto* done = std::get_if<GenerationResult>(&self.event)) {
    members.required("done", *done);
  } else {
    members.required("error", std::get<Failure>(self.event));
  }
}

void describe_event(detail::Decoder& members, GenerationEvent& self) {
  std::optional<std::string> text;
  std::optional<GenerationResult> done;
  std::optional<Failure> error;
  members.wish("text", text);
  members.wish("done", done);
  members.wish("error", error);
  if (text.has_value() + done.has_value() + error.has_value() != 1) {
    return members.fail(members.where() +
                        ": exactly one of \"text\", \"done\" and \"error\" is wanted");
  }
  if (text) self.event = *std::move(text);
  if (done) self.event = *std::move(done);
  if (error) self.event = *std::move(error);
}

}  // namespace

template <typename Members>
void describe(Members& members, detail::Is<GenerationEvent> auto& self) {
  describe_event(members, self);
}

template <typename Members>
void describe(Members& members, detail::Is<ServingSpec> auto& self) {
  members.required("model", self.model);
  members.defaulted("adapters", self.adapters);
  members.wish("max_context", self.max_context, detail::Range<std::int64_t>{16, 1 << 24});
}

template <typename Members>
void describe(Members& members, detail::Is<GenerateJob> auto& self) {
  members.required("model", self.model);
  members.wish("adapter", self.adapter);
  members.required("generation", self.generation);
}

PANAL_WORK_CODEC(Generation)
PANAL_WORK_CODEC(GenerateJob)
PANAL_WORK_CODEC(GenerationResult)
PANAL_WORK_CODEC(GenerationEvent)
PANAL_WORK_CODEC(ServerFacts)
PANAL_WORK_CODEC(ServingSpec)

}  // namespace panal::work
