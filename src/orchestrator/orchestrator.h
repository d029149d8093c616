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
#include "base/json.h"
#include "base/result.h"
#include "energy/carbon.h"
#include "energy/meter.h"

namespace panal::topics {
class TopicModel;
}

namespace panal::orchestrator {

struct Message {
  std::string role;  // "system", "user" or "assistant".
  std::string content;
};

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

struct CallOptions {
  std::optional<std::int64_t> max_tokens;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<std::int64_t> top_k;
  std::optional<std::uint64_t> seed;
  std::vector<std::string> stop;
};

struct ExpertCall {
  std::string adapter;  // An Expert::name, or "" for the core.
  std::vector<Message> messages;
  CallOptions options;
};

struct ExpertAnswer {
  std::string text;
  std::string finish_reason = "stop";  // "stop", "length" or "cancelled".
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::optional<double> time_to_first_token_ms;
  std::optional<double> tokens_per_s;
  energy::EnergyReading energy;
};

using TextCallback = std::function<void(std::string_view text)>;

/// What a call says while it runs, on the calling thread.
struct CallProgress {
  std::function<void()> on_admitted;  // At most once, before any text: checked, and has its place.
  TextCallback on_text;               // A piece of the answer.
};

/// Who runs a model for us: HTTP to panal-engine in the product, a script in tests.
class ExpertCaller {
 public:
  virtual ~ExpertCaller() = default;
  /// Blocks until the answer is whole. Called from several threads at once. A requested stop ends
  /// it soon, with kCancelled.
  virtual Result<ExpertAnswer> call(const ExpertCall& call, const CallProgress& progress,
                                    std::stop_token cancel) = 0;
};

struct OrchestratorRequest {
  std::string request_id;
  std::vector<Message>
      messages;  // The last one has the role "user": that is the text that is split and routed.
  CallOptions options;
  std::string expert;  // Not empty: this expert (its name, or "core") answers everything, unsplit.
  bool split = true;   // False: never split.
  bool panel = false;  // True: core and two best experts answer, unsplit; one answer is chosen.
  energy::CarbonOptions carbon;
};

struct RouteScore {
  std::string expert;  // Expert name; "core" for the core.
  double score = 0;    // 0 to 1.
};

/// One part of a request, and who is to answer it.
struct PlannedPart {
  std::string text;    // What the person asked, in their words.
  std::string prompt;  // The same with the shared context it refers to: what the expert gets.
  std::string expert;  // Expert name, or "core".
  std::string why;     // In words.
  double confidence =
      0;  // Of the topic model in the chosen expert; 1 when the caller named it; 0 for the core.
  std::vector<RouteScore> alternatives;  // The others, best first, at most 4.
};

struct PartTrace {
  PlannedPart plan;
  std::string answered_by;  // Differs from plan.expert after a fallback.
  std::string model_version;
  std::string finish_reason;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::optional<double> time_to_first_token_ms;
  std::optional<double> tokens_per_s;
  energy::EnergyReading energy;
  std::string fallback;            // Why the core took over; empty when it did not.
  std::string error;               // Why nobody answered this part; empty when somebody did.
  std::vector<std::string> panel;  // Panel mode: one line per candidate, with its scores.
};

struct Trace {
  std::string request_id;
  std::string endpoint;
  std::vector<PartTrace> parts;
  energy::EnergyReading energy;  // Of all calls, candidates and failed ones included.
  energy::CarbonEstimate carbon;
  std::optional<double> tokens_per_s;  // All completion tokens over wall time.
  double wall_ms = 0;
  double overhead_ms = 0;  // Wall time during which no expert was at work.
};

/// The `panal` object of an answer: unknown numbers are null, never 0.
Json to_json(const Trace& trace);
/// The plan alone, for headers and dry runs: [{expert, why, confidence, text, alternatives}].
Json to_json(const std::vector<PlannedPart>& plan);

struct Answer {
  std::string text;                    // What the sink got, joined.
  std::string finish_reason = "stop";  // "length" when any part was cut.
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  Trace trace;
};

/// Receives the answer as it grows, in order, on the thread that called answer(). It may block (a
/// slow client slows only its own answer) and must not throw.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// Before any text: who will answer what.
  virtual void on_plan(const std::vector<PlannedPart>& plan) = 0;
  /// At most once, before any text: somebody works on the answer's beginning.
  virtual void on_admitted() {}
  virtual void on_text(std::string_view text) = 0;
};

struct OrchestratorOptions {
  std::int64_t max_parts = 4;           // What is left over stays in the last part.
  std::int64_t max_parallel_calls = 4;  // Per request.
  double route_threshold = 0.5;  // topics::TopicModel::kThreshold: below it the core answers.
  /// Of the text of each part that is not yet given to the sink; over it the part's expert waits.
  std::size_t max_buffered_bytes = 1 << 20;
};

/// Stateless between requests and thread-safe: one serves a whole process.
class Orchestrator {
 public:
  /// clock must outlive the orchestrator.
  Orchestrator(OrchestratorOptions options, Clock& clock);

  /// Splits and routes without calling anybody. Errors: kInvalidArgument (no user message at the
  /// end), kNotFound (the named expert; the message lists the endpoint's).
  Result<std::vector<PlannedPart>> plan(const OrchestratorRequest& request,
                                        const Endpoint& endpoint) const;

  /// Plans, calls, streams, joins. Blocks; the sink is called on this thread only. An expert that
  /// fails before any of its text was streamed is replaced by the core, once (not when the request
  /// itself is at fault: kInvalidArgument). A part nobody could answer is said so in the text and
  /// the trace. Errors: plan()'s; kCancelled when `cancel` was requested; the first part's status
  /// when no part was answered. What was streamed before an error stays streamed.
  Result<Answer> answer(const OrchestratorRequest& request, const Endpoint& endpoint,
                        ExpertCaller& caller, AnswerSink& sink, std::stop_token cancel) const;

 private:
  const OrchestratorOptions options_;
  Clock& clock_;
};

}  // namespace panal::orchestrator
