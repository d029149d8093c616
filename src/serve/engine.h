// Many requests share one model fairly: one thread drives the model, and in every step each running
// request gets one token while waiting prompts are read in pieces beside them (continuous batching;
// Yu et al., "Orca", OSDI 2022, with the chunked prefill of Agrawal et al., "Sarathi-Serve", OSDI
// 2024). Requests are admitted first come, first served.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "energy/meter.h"
#include "model/token_model.h"
#include "serve/sampler.h"
#include "serve/text_decoder.h"
#include "work/generation.h"

namespace panal::serve {

/// A request whose input has become tokens.
struct TokenizedGeneration {
  /// Its expert is an adapter's name, or "" or "core" for none; its input is not looked at. Answers
  /// without max_tokens end with the context. What its sampling leaves open, EngineOptions fill in.
  work::Generation request;
  std::vector<std::int32_t> prompt;    // 1 token or more, shorter than the context.
  std::vector<std::int32_t> stop_ids;  // Added to EngineOptions::stop_ids; never in the answer.
  std::optional<Nanoseconds>
      time_limit;  // From submit on; over it the request fails with kDeadlineExceeded.
};

/// Both are called on the engine's thread, with no lock held: they must return soon and must not
/// throw. They may call submit(), not stop() or generate().
struct RequestCallbacks {
  std::function<void(std::string_view text)>
      on_text;  // May be empty. The pieces join to GenerationResult::text.
  std::function<void(Result<work::GenerationResult>)>
      on_done;  // Exactly once per accepted request. Required.
};

struct EngineOptions {
  std::int64_t max_batch = 32;     // Sequences that run at once.
  std::int64_t max_waiting = 256;  // Requests that may wait; one more gets kResourceExhausted.
  std::int64_t prefill_tokens_per_step = 256;  // Prompt tokens read in one step over all requests.
  std::vector<std::int32_t> stop_ids;          // End of every answer: the tokenizer's stop_ids().
  work::Sampling sampling = {};                // For requests without a temperature; see sampler.h.
  energy::Meter* meter = nullptr;              // Outlives the engine; none: energy is unknown.
};

/// A picture of the engine. request_joules + idle_joules is what the meter counted since the engine
/// started, as long as energy_is_complete (no sample failed).
struct EngineStats {
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  std::int64_t finished = 0;
  std::int64_t failed = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t steps = 0;
  double request_joules = 0;
  double idle_joules = 0;
  bool energy_is_complete = false;
  std::string energy_method = "unknown";
};

/// Thread-safe, except that the model belongs to the engine's thread while the engine lives.
class Engine {
 public:
  /// model, clock and options.meter must outlive the engine. Throws nothing; bounds below 1 are
  /// taken as 1.
  Engine(model::TokenModel& model, TextDecoderFactory decoders, EngineOptions options,
         Clock& clock);
  /// stop() without draining, then joins.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Queues a request. Errors: kInvalidArgument (options or prompt; a prompt longer than the
  /// context names both lengths), kNotFound (adapter), kResourceExhausted (queue full),
  /// kUnavailable (stopping). After an error no callback is called. A stop_requested() frees the
  /// sequence before the next step; its result has kCancelled.
  Status submit(TokenizedGeneration request, RequestCallbacks callbacks,
                std::stop_token cancel = {});

  /// Submits and waits. on_text (may be empty) runs on the calling thread, so a slow reader never
  /// slows the others. The text kept for it is bounded by the answer's length.
  Result<work::GenerationResult> generate(TokenizedGeneration request,
                                          const std::function<void(std::string_view)>& on_text = {},
                                          std::stop_token cancel = {});

  EngineStats stats() const;

  /// Closes the gate, lets requests finish for at most `drain`, fails the rest with kUnavailable,
  /// joins the thread. May be called twice.
  void stop(Nanoseconds drain = Nanoseconds(0));

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace panal::serve
