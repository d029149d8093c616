// A prompt becomes work for several experts and one answer again: split, route, run, join. Every
// decision is written into a trace, with its reason in words, so that a person can see who answered
// what, how fast and at what cost.
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
#include "energy/carbon.h"
#include "work/generation.h"
#include "work/trace.h"

namespace panal::topics {
class TopicModel;
}

namespace panal::orchestrator {

/// One LoRA expert of a group.
struct Expert {
  std::string name;       // The adapter's name in the engine.
  std::string label;      // For people: "legal: license copyright".
  std::string partition;  // Its name in the TopicModel.
  std::string version;    // Of the model in the registry; may be empty.
};

/// A deployed group: one core and its experts.
struct Endpoint {
  std::string name;
  std::string core;  // Name of the core model, for traces.
  std::string core_version;
  std::vector<Expert> experts;
  /// Shared by the endpoint table and the answers in progress. Null: everything goes to the core.
  std::shared_ptr<const topics::TopicModel> topics;
};

/// Who runs a model for us: panal-engine in the product, a script in tests.
class ExpertCaller {
 public:
  /// One at a time per call, on any thread, also before start() has returned; on_done exactly once,
  /// last. They return soon.
  struct Callbacks {
    std::function<void()> on_admitted;  // The request is sound and has its place.
    std::function<void(std::string_view text)> on_text;
    std::function<void(Result<work::GenerationResult>)> on_done;
  };
  virtual ~ExpertCaller() = default;
  /// Begins a call and returns at once. The request's expert is an Expert::name or "core". A
  /// requested stop ends it soon, with kCancelled.
  virtual void start(work::Generation request, Callbacks callbacks, std::stop_token cancel) = 0;
};

/// One part of a request, and who is to answer it.
struct PlannedPart {
  std::string text;    // What the person asked, in their words.
  std::string prompt;  // The same with the shared context it refers to: what the expert gets.
  std::string expert;  // Expert name, or "core".
  std::string why;     // In words.
  double confidence =
      0;  // Of the topic model in the chosen expert; 1 when the caller named it; 0 for the core.
  std::vector<work::RouteScore> alternatives;  // The others, best first, at most 4.
};

struct Answer {
  std::string text{};  // What the sink got, joined.
  /// kLength when any part was cut.
  work::FinishReason finish_reason = work::FinishReason::kStop;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::vector<work::TokenLogprobs> logprobs{};  // When asked for.
  work::Trace trace{};
};

/// Receives the answer as it grows, in order: one call at a time, on any thread. Must return soon
/// and not throw.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// First: who will answer what.
  virtual void on_plan(const std::vector<PlannedPart>& plan) = 0;
  /// At most once, before any text: somebody has begun to work on it.
  virtual void on_admitted() {}
  /// False: nobody listens any more, so stop.
  virtual bool on_text(std::string_view text) = 0;
  /// Exactly once, last.
  virtual void on_done(Result<Answer> answer) = 0;
};

struct OrchestratorOptions {
  std::int64_t max_parts = 4;           // What is left over stays in the last part.
  std::int64_t max_parallel_calls = 4;  // Per request.
  double route_threshold = 0.5;  // topics::TopicModel::kThreshold: below it the core answers.
  energy::CarbonOptions carbon{};
};

/// Stateless between requests and thread-safe: one serves a whole process.
class Orchestrator {
 public:
  /// clock must outlive the orchestrator.
  Orchestrator(OrchestratorOptions options, Clock& clock);

  /// Splits and routes a conversation without calling anybody. One that does not end with the user
  /// is continued whole. Errors: kInvalidArgument (not a conversation), kNotFound (the named
  /// expert; the message lists the endpoint's).
  Result<std::vector<PlannedPart>> plan(const work::Generation& request,
                                        const Endpoint& endpoint) const;

  /// Plans, calls, streams, joins; returns at once, and costs no thread while it waits. An expert
  /// that fails before any of its text was streamed is replaced by the core, once (not when the
  /// request itself is at fault: kInvalidArgument). A part nobody could answer is said so in the
  /// text and the trace. What comes to its turn later is kept until then: a part is no longer than
  /// its model's context. Errors: plan()'s; kCancelled when `cancel` was requested or nobody
  /// listens; the first part's status when no part was answered. What was streamed before an error
  /// stays streamed. Shared with the calls in progress: endpoint, caller and sink.
  void answer(work::Generation request, std::shared_ptr<const Endpoint> endpoint,
              std::shared_ptr<ExpertCaller> caller, std::shared_ptr<AnswerSink> sink,
              std::stop_token cancel) const;

 private:
  const OrchestratorOptions options_;
  Clock& clock_;
};

}  // namespace panal::orchestrator
