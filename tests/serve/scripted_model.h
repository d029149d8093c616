// A language model without weights: the next token is a function of the sequence's own history and
// adapter, so a test can compute every answer by itself and see at once when two sequences are
// mixed.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "energy/meter.h"
#include "model/token_model.h"
#include "serve/text_decoder.h"

namespace panal::serve {

using History = std::vector<std::int32_t>;
/// The token that follows `history`.
using Script = std::function<std::int32_t(const std::string& adapter, const History& history)>;

inline constexpr std::int32_t kVocabulary = 257;  // All bytes, and the end.
inline constexpr std::int32_t kEnd = 256;

/// A byte that depends on every token of the history and on the adapter; printable.
inline std::int32_t hashed_token(const std::string& adapter, const History& history) {
  std::uint64_t hash = 1469598103934665603ULL;
  for (const char letter : adapter)
    hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211ULL;
  for (const std::int32_t token : history) {
    hash = (hash ^ static_cast<std::uint64_t>(token)) * 1099511628211ULL;
  }
  return 'a' + static_cast<std::int32_t>((hash >> 20) % 26);
}

/// Says `answer` after a prompt of `prompt_tokens` tokens, then the end.
inline Script says(std::string answer, std::size_t prompt_tokens) {
  return [answer, prompt_tokens](const std::string&, const History& history) {
    const std::size_t said = history.size() - prompt_tokens;
    return said < answer.size() ? static_cast<unsigned char>(answer[said]) : kEnd;
  };
}

class ScriptedModel final : public model::TokenModel {
 public:
  explicit ScriptedModel(Script script = hashed_token) : script_(std::move(script)) {}

  std::int64_t context = 1000;
  std::int64_t max_sequences = 1000;
  energy::SyntheticMeter* meter = nullptr;  // Gets joules_per_token for each token of each step.
  double joules_per_token = 0.5;
  std::function<void(std::span<const model::SequenceStep>)> before_forward;
  /// Sequences (by the first token of their prompt) whose steps fail from then on.
  std::set<std::int32_t> poisoned;

  std::int32_t vocabulary_size() const override { return kVocabulary; }
  std::int64_t context_length() const override { return context; }
  std::vector<std::string> adapters() const override { return {"law", "code"}; }

  Result<std::int64_t> open_sequence(std::string_view adapter, std::int64_t max_tokens) override {
    if (static_cast<std::int64_t>(sequences_.size()) >= max_sequences) {
      return Status(Code::kResourceExhausted, "too many open sequences");
    }
    sequences_[next_] = {std::string(adapter), {}, max_tokens};
    num_open_ = static_cast<std::int64_t>(sequences_.size());
    return next_++;
  }
  void close_sequence(std::int64_t sequence) override {
    sequences_.erase(sequence);
    num_open_ = static_cast<std::int64_t>(sequences_.size());
  }
  std::int64_t sequence_length(std::int64_t sequence) const override {
    const auto found = sequences_.find(sequence);
    return found == sequences_.end() ? 0 : static_cast<std::int64_t>(found->second.history.size());
  }

  Status forward(std::span<const model::SequenceStep> steps, std::span<float> logits) override {
    if (before_forward) before_forward(steps);
    std::size_t num_tokens = 0;
    for (const auto& step : steps) {
      Sequence& sequence = sequences_.at(step.sequence);
      const auto first = sequence.history.empty() ? step.tokens.front() : sequence.history.front();
      if (poisoned.contains(first)) return Status(Code::kInternal, "a poisoned sequence");
      const auto length = static_cast<std::int64_t>(sequence.history.size() + step.tokens.size());
      if (length > sequence.max_tokens) {
        return Status(Code::kResourceExhausted, fmt::format("{} tokens do not fit", length));
      }
      num_tokens += step.tokens.size();
    }
    for (std::size_t row = 0; row < steps.size(); ++row) {
      Sequence& sequence = sequences_.at(steps[row].sequence);
      sequence.history.insert(sequence.history.end(), steps[row].tokens.begin(),
                              steps[row].tokens.end());
      const std::int32_t next = script_(sequence.adapter, sequence.history);
      // The scripted token is likeliest by far at temperature 0, and merely likelier when sampling.
      for (std::int32_t token = 0; token < kVocabulary; ++token) {
        const bool is_letter = token >= 'a' && token <= 'z';
        logits[row * kVocabulary + static_cast<std::size_t>(token)] =
            token == next ? 1.0f : (is_letter ? 0.5f : -50.0f);
      }
    }
    if (meter != nullptr) meter->add_joules(joules_per_token * static_cast<double>(num_tokens));
    return {};
  }

  std::int64_t num_open() const { return num_open_; }

  /// What a lone greedy run answers.
  std::string expected(const std::string& adapter, History history, std::int64_t num_tokens) const {
    std::string text;
    for (std::int64_t i = 0; i < num_tokens; ++i) {
      history.push_back(script_(adapter, history));
      if (history.back() == kEnd) break;
      text.push_back(static_cast<char>(history.back()));
    }
    return text;
  }

 private:
  struct Sequence {
    std::string adapter;
    History history;
    std::int64_t max_tokens = 0;
  };
  const Script script_;
  std::map<std::int64_t, Sequence> sequences_;
  std::int64_t next_ = 0;
  std::atomic<std::int64_t> num_open_{0};
};

/// Tokens are bytes; whole UTF-8 characters come out, an unfinished one becomes U+FFFD.
class ByteDecoder final : public TextDecoder {
 public:
  std::string push(std::int32_t token) override {
    held_.push_back(static_cast<char>(token));
    const auto lead = static_cast<unsigned char>(held_.front());
    const std::size_t wanted = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return held_.size() < wanted ? "" : std::exchange(held_, {});
  }
  std::string finish() override { return held_.empty() ? "" : "\xEF\xBF\xBD"; }
  std::string_view bytes_of(std::int32_t token) const override {
    bytes_ = static_cast<char>(token);
    return {&bytes_, 1};
  }

 private:
  std::string held_;
  mutable char bytes_ = 0;  // Of the token asked for last.
};

inline TextDecoderFactory byte_decoders() {
  return [] { return std::make_unique<ByteDecoder>(); };
}

inline History prompt_of(std::string_view text) { return {text.begin(), text.end()}; }

}  // namespace panal::serve
