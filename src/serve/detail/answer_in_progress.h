// One request from submit to on_done: its place in the prompt, its sampler, its text and its clock
// readings. The engine's thread owns it once it is queued.
#pragma once

#include <memory>
#include <stop_token>

#include "serve/detail/logprobs.h"
#include "serve/detail/stop_matcher.h"
#include "serve/engine.h"

namespace panal::serve::detail {

class AnswerInProgress {
 public:
  AnswerInProgress(TokenizedGeneration request, RequestCallbacks callbacks, std::stop_token cancel,
                   Nanoseconds now);

  const TokenizedGeneration& request() const { return request_; }
  bool is_cancelled() const { return cancel_.stop_requested(); }
  bool is_late(Nanoseconds now) const {
    return request_.time_limit && now - submitted_ > *request_.time_limit;
  }

  /// The request has a sequence in the model from now on.
  void admit(std::int64_t sequence, std::unique_ptr<TextDecoder> decoder, Nanoseconds now);
  std::int64_t sequence() const { return sequence_; }

  /// True until the whole prompt was given to the model.
  bool is_reading_prompt() const { return num_read_ < request_.prompt.size(); }
  /// What the model is to read next: a piece of the prompt of at most `budget` tokens, or the last
  /// sampled token.
  std::span<const std::int32_t> next_tokens(std::size_t budget) const;
  /// The model has read `count` of next_tokens().
  void mark_read(std::size_t count);

  /// Samples one token from the logits after everything read, which are changed on the way, and
  /// emits the text that became certain. Returns the reason when the answer is complete.
  Result<std::optional<work::FinishReason>> take_token(std::span<float> logits,
                                                       std::span<const std::int32_t> stop_ids,
                                                       Nanoseconds now);

  /// Joules of a step that belong to this request; empty: nobody knows.
  void add_joules(std::optional<double> joules);

  /// Ends the request: exactly one of these is called, once.
  void finish(work::FinishReason reason, energy::Meter* meter, Nanoseconds now);
  void fail(Status status);
  bool has_ended() const { return has_ended_; }

  std::int64_t num_sampled() const { return static_cast<std::int64_t>(result_.token_ids.size()); }

 private:
  Status note_logprobs(std::int32_t token);
  bool is_stop(std::int32_t token, std::span<const std::int32_t> stop_ids) const;
  void emit(std::string text);

  const TokenizedGeneration request_;
  const RequestCallbacks callbacks_;
  const std::stop_token cancel_;
  const Nanoseconds submitted_;
  std::optional<Nanoseconds> admitted_;
  std::optional<Nanoseconds> first_token_;
  Nanoseconds last_token_{0};
  std::int64_t sequence_ = -1;
  std::size_t num_read_ = 0;  // Of the prompt.
  Sampler sampler_;
  std::unique_ptr<TextDecoder> decoder_;  // Set by admit().
  StopMatcher matcher_;
  std::vector<float> plain_logits_;  // As the model gave them; only for logprobs, as the next two.
  LogitRow plain_row_;
  LogprobReader logprobs_;
  work::GenerationResult result_;
  double joules_ = 0;
  bool joules_are_known_ = true;
  bool has_ended_ = false;
};

}  // namespace panal::serve::detail
