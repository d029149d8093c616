// What happens to one request, seen from itself.
#include "serve/detail/answer_in_progress.h"

#include <algorithm>
#include <cmath>

namespace panal::serve::detail {
namespace {

double milliseconds(Nanoseconds duration) { return seconds(duration) * 1e3; }

bool contains(std::span<const std::int32_t> ids, std::int32_t id) {
  return std::ranges::find(ids, id) != ids.end();
}

void take_chances(std::span<float> logits, std::span<const std::int32_t> ids) {
  for (const std::int32_t id : ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < logits.size())
      logits[static_cast<std::size_t>(id)] = -INFINITY;
  }
}

}  // namespace

AnswerInProgress::AnswerInProgress(TokenizedGeneration request, RequestCallbacks callbacks,
                                   std::stop_token cancel, Nanoseconds now)
    : request_(std::move(request)),
      callbacks_(std::move(callbacks)),
      cancel_(std::move(cancel)),
      submitted_(now),
      sampler_(request_.request.sampling, request_.prompt),
      matcher_(request_.request.stop) {}

void AnswerInProgress::admit(std::int64_t sequence, std::unique_ptr<TextDecoder> decoder,
                             Nanoseconds now) {
  sequence_ = sequence;
  decoder_ = std::move(decoder);
  admitted_ = now;
}

std::span<const std::int32_t> AnswerInProgress::next_tokens(std::size_t budget) const {
  if (!is_reading_prompt()) return std::span(result_.token_ids).last(1);
  const auto rest = std::span(request_.prompt).subspan(num_read_);
  return rest.first(std::min(rest.size(), budget));
}

void AnswerInProgress::mark_read(std::size_t count) {
  if (!is_reading_prompt()) return;
  num_read_ += count;
  result_.prompt_tokens += static_cast<std::int64_t>(count);
}

bool AnswerInProgress::is_stop(std::int32_t token, std::span<const std::int32_t> stop_ids) const {
  return !request_.request.ignore_eos &&
         (contains(stop_ids, token) || contains(request_.stop_ids, token));
}

Status AnswerInProgress::note_logprobs(std::int32_t token) {
  if (!request_.request.logprobs) return {};
  PANAL_TRY(plain_row_.look_at(plain_logits_));
  const auto count = static_cast<std::size_t>(*request_.request.logprobs);
  result_.logprobs.push_back(logprobs_.read(plain_row_, token, count, *decoder_));
  return {};
}

Result<std::optional<work::FinishReason>> AnswerInProgress::take_token(
    std::span<float> logits, std::span<const std::int32_t> stop_ids, Nanoseconds now) {
  if (request_.request.logprobs) plain_logits_.assign(logits.begin(), logits.end());
  if (num_sampled() < request_.request.min_tokens) {
    take_chances(logits, stop_ids);
    take_chances(logits, request_.stop_ids);
  }
  PANAL_ASSIGN(const std::int32_t token, sampler_.sample(logits));
  if (!first_token_) first_token_ = now;
  last_token_ = now;
  if (is_stop(token, stop_ids)) return std::optional(work::FinishReason::kStop);
  result_.token_ids.push_back(token);
  PANAL_TRY(note_logprobs(token));
  emit(decoder_->push(token));
  if (matcher_.stopped()) return std::optional(work::FinishReason::kStop);
  if (num_sampled() >= *request_.request.max_tokens)
    return std::optional(work::FinishReason::kLength);
  return std::optional<work::FinishReason>();
}

void AnswerInProgress::add_joules(std::optional<double> joules) {
  if (!joules) joules_are_known_ = false;
  joules_ += joules.value_or(0);
}

void AnswerInProgress::emit(std::string text) {
  // What min_tokens ask for takes no part in any stop.
  const bool may_stop = num_sampled() > request_.request.min_tokens;
  const std::string certain = may_stop ? matcher_.push(text) : std::move(text);
  result_.text += certain;
  if (!certain.empty() && callbacks_.on_text) callbacks_.on_text(certain);
}

void AnswerInProgress::fail(Status status) {
  has_ended_ = true;
  callbacks_.on_done(std::move(status));
}

void AnswerInProgress::finish(work::FinishReason reason, energy::Meter* meter, Nanoseconds now) {
  has_ended_ = true;
  if (decoder_) {
    // The end of the text may itself complete a stop string.
    emit(decoder_->finish());
    const std::string rest = matcher_.flush();
    result_.text += rest;
    if (!rest.empty() && callbacks_.on_text) callbacks_.on_text(rest);
  }
  if (matcher_.stopped() && reason == work::FinishReason::kLength)
    reason = work::FinishReason::kStop;
  result_.finish_reason = reason;
  result_.completion_tokens = num_sampled();
  result_.queue_ms = milliseconds(admitted_.value_or(now) - submitted_);
  if (admitted_) result_.prefill_ms = milliseconds(first_token_.value_or(now) - *admitted_);
  if (first_token_) {
    result_.time_to_first_token_ms = milliseconds(*first_token_ - submitted_);
    const double decode_s = seconds(last_token_ - *first_token_);
    if (result_.completion_tokens > 1 && decode_s > 0) {
      result_.tokens_per_s = static_cast<double>(result_.completion_tokens - 1) / decode_s;
    }
  }
  result_.total_ms = milliseconds(now - submitted_);
  if (meter == nullptr) {
    result_.energy.detail = "the engine has no meter";
  } else if (!joules_are_known_) {
    result_.energy.detail = "the meter could not be read during a step: " + meter->detail();
  } else if (energy::trust_of(meter->method()) != energy::Trust::kUnknown) {
    result_.energy = {.joules = joules_,
                      .method = meter->method(),
                      .detail = meter->detail() + "; share of each model step by tokens"};
  } else {
    result_.energy.detail = meter->detail();
  }
  callbacks_.on_done(std::move(result_));
}

}  // namespace panal::serve::detail
