// What serving needs of a language model, as spans of ints and floats: no torch here, so schedulers
// and samplers are tested against a scripted model in milliseconds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace panal::model {

/// Tokens to append to one open sequence.
struct SequenceStep {
  std::int64_t sequence = 0;
  std::span<const std::int32_t> tokens;  // At least one, each in [0, vocabulary_size).
};

/// A causal language model with a key-value cache per sequence, and LoRA adapters over one shared
/// core. Not thread-safe: one thread drives it. No exception leaves it.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  virtual std::int32_t vocabulary_size() const = 0;
  /// The most tokens one sequence may hold, prompt and answer together.
  virtual std::int64_t context_length() const = 0;
  /// Names of the adapters loaded over the core, in the order of loading; the core itself is "".
  virtual std::vector<std::string> adapters() const = 0;

  /// A new empty sequence. adapter "" is the core. max_tokens bounds what the sequence will ever
  /// hold (1 to context_length()); its cache grows as tokens come. Errors: kNotFound (unknown
  /// adapter, names the known ones), kInvalidArgument (max_tokens out of range), kResourceExhausted
  /// (too many open sequences).
  virtual Result<std::int64_t> open_sequence(std::string_view adapter, std::int64_t max_tokens) = 0;
  /// Frees the sequence's cache. Unknown numbers are ignored.
  virtual void close_sequence(std::int64_t sequence) = 0;
  /// Tokens the sequence holds now; 0 for an unknown one.
  virtual std::int64_t sequence_length(std::int64_t sequence) const = 0;

  /// Appends each step's tokens (prefill and decode mixed freely) and writes the logits that follow
  /// each step's LAST token: row i of [steps.size(), vocabulary_size()] belongs to steps[i]. A
  /// sequence appears at most once. Errors: kNotFound, kInvalidArgument (empty step, token out of
  /// range, wrong span), kResourceExhausted (longer than max_tokens, or out of memory). On an error
  /// no sequence has changed.
  virtual Status forward(std::span<const SequenceStep> steps, std::span<float> logits) = 0;
};

}  // namespace panal::model
