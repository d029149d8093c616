// A request for text, and what comes back: the same value from the HTTP codec over the orchestrator
// to the scheduler of the engine. A new sampling option is a member of Sampling, its line in
// generation.cc, a line in the API's codec, and what the sampler does with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "work/codec.h"
#include "work/energy_reading.h"
#include "work/failure.h"

namespace panal::work {

/// One turn of a conversation.
struct Message {
  std::string role{};     // "system", "user", "assistant" or "tool".
  std::string content{};  // UTF-8; may be empty.
  /// What else the model's template may look at, as the caller wrote it.
  std::optional<std::string> name{};
  std::optional<std::string> tool_call_id{};  // Of a message with the role "tool".
  std::optional<Json> tool_calls{};           // Of an assistant's message: a list.
  bool operator==(const Message&) const = default;
};

/// What is added to a token's score before all else: -100 never takes it, 100 always.
struct TokenBias {
  std::int32_t token = 0;
  double bias = 0;  // -100 to 100.
  bool operator==(const TokenBias&) const = default;
};

/// How the next token is drawn. What is not set, whoever has the model decides by its generation
/// config, and without one by temperature 0.7 and top_p 0.95; penalties are never applied unasked.
struct Sampling {
  std::optional<double> temperature{};         // 0 to 100; 0 takes the likeliest token.
  std::optional<double> top_p{};               // Over 0, at most 1.
  std::optional<double> min_p{};               // 0 to 1: of the likeliest token's probability.
  std::optional<std::int64_t> top_k{};         // 0: no limit.
  std::optional<std::int64_t> seed{};          // Unset: another one each time.
  std::optional<double> frequency_penalty{};   // -2 to 2: off a token's score per earlier use.
  std::optional<double> presence_penalty{};    // -2 to 2: once for a token that was used.
  std::optional<double> repetition_penalty{};  // Over 0; over 1 makes tokens seen so far rarer.
  std::vector<TokenBias> logit_bias{};         // At most 4,096.
  bool operator==(const Sampling&) const = default;
};

using Conversation = std::vector<Message>;
using TokenIds = std::vector<std::int32_t>;

struct Generation {
  std::string request_id{};
  std::string model{};   // What the caller asked for; empty: the default.
  std::string expert{};  // "" for the router, else "core" or an expert's name.
  /// Turns for the model's chat template, plain text that is to be continued, or its tokens.
  std::variant<Conversation, std::string, TokenIds> input{};
  /// Of plain text: special tokens in it are read as such, and BOS and EOS are added as the model's
  /// own tokenizer says. The text of a conversation never forms a special token.
  bool special_tokens = true;
  /// Most tokens of the answer; unset: to its natural end or the end of the context.
  std::optional<std::int64_t> max_tokens{};
  std::int64_t min_tokens = 0;  // Before them neither the model nor `stop` ends the answer.
  bool ignore_eos = false;      // The model never ends it: only max_tokens, `stop` and the context.
  Sampling sampling{};
  /// How likely each token of the answer was is told, beside so many of the likeliest: 0 to 20.
  std::optional<std::int64_t> logprobs{};
  std::vector<std::string> stop{};  // At most 16 of at most 1,024 bytes, none empty.
  std::optional<bool> split{};      // False: never split into parts.
  std::optional<bool> panel{};      // True: several experts answer, one answer is chosen.

  bool is_chat() const { return std::holds_alternative<Conversation>(input); }
  bool operator==(const Generation&) const = default;
};

/// How likely a token was by the model alone: before bias, penalties, temperature and cuts.
struct TokenLogprob {
  std::int32_t token = 0;
  std::vector<std::int32_t> bytes{};  // What it stands for, 0 to 255 each; not always whole UTF-8.
  double logprob = 0;                 // Natural logarithm; at most 0.
  bool operator==(const TokenLogprob&) const = default;
};
/// A token of an answer, and what was likeliest in its place, likeliest first.
struct TokenLogprobs {
  TokenLogprob chosen{};
  std::vector<TokenLogprob> likeliest{};
  bool operator==(const TokenLogprobs&) const = default;
};

enum class FinishReason { kStop, kLength, kCancelled };
/// "stop", "length", "cancelled".
std::string_view finish_reason_name(FinishReason reason);

struct GenerationResult {
  std::string text{};
  TokenIds token_ids{};                   // What was sampled; empty where nobody asked.
  std::vector<TokenLogprobs> logprobs{};  // Of each token, when asked for.
  FinishReason finish_reason = FinishReason::kStop;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;              // Without the stop token that ended the answer.
  std::optional<double> queue_ms{};                // From the request's arrival to its first step.
  std::optional<double> prefill_ms{};              // From there to the first token.
  std::optional<double> time_to_first_token_ms{};  // Unknown when no token was sampled.
  std::optional<double> tokens_per_s{};  // After the first token; unknown with fewer than two.
  std::optional<double> total_ms{};
  EnergyReading energy{};
};

/// One line of a running answer: a piece of its text, its end, or why it failed.
struct GenerationEvent {
  std::variant<std::string, GenerationResult, Failure> event{};
};

/// What a process that serves one model says of itself.
struct ServerFacts {
  std::int64_t context_length = 0;
  std::int64_t vocabulary_size = 0;
  std::vector<std::string> adapters{};
  bool has_chat_template = false;
};

/// An adapter on disk, under the name that requests call it by.
struct AdapterFolder {
  std::string name{};
  std::filesystem::path folder{};  // As PEFT writes it.
};
/// What a process is to serve: a model with adapters beside it.
struct ServingSpec {
  std::filesystem::path model{};  // Folder or GGUF file.
  std::vector<AdapterFolder> adapters{};
  std::optional<std::int64_t> max_context{};
};

/// One request to a model that is loaded for it.
struct GenerateJob {
  static constexpr char kKind[] = "generate";
  using Outcome = GenerationResult;
  std::filesystem::path model{};
  std::optional<std::filesystem::path> adapter{};
  Generation generation{};
};

}  // namespace panal::work
