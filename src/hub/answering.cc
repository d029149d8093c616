#include "hub/answering.h"

#include <fmt/format.h>

#include <future>

#include "base/hash.h"
#include "fleet/engine_worker.h"

namespace panal::hub {
namespace {

std::string shown_route(const std::vector<orchestrator::PlannedPart>& plan) {
  std::string route;
  for (const auto& part : plan) route += (route.empty() ? "" : ",") + part.expert;
  return route;
}

// Passes the orchestrator's answer on.
class Joined final : public orchestrator::AnswerSink {
 public:
  explicit Joined(std::shared_ptr<hub::AnswerSink> sink) : sink_(std::move(sink)) {}
  void on_plan(const std::vector<orchestrator::PlannedPart>& plan) override {
    sink_->route(shown_route(plan));
  }
  void on_admitted() override { sink_->admitted(); }
  bool on_text(std::string_view text) override { return sink_->text(text); }
  void on_done(Result<orchestrator::Answer> answer) override {
    if (!answer.ok()) return sink_->done(answer.status());
    sink_->done(AnswerSummary{.finish_reason = answer->finish_reason,
                              .prompt_tokens = answer->prompt_tokens,
                              .completion_tokens = answer->completion_tokens,
                              .logprobs = std::move(answer->logprobs),
                              .trace = std::move(answer->trace)});
  }

 private:
  const std::shared_ptr<hub::AnswerSink> sink_;  // Shared with the API's call.
};

// The trace of a plain completion: one part, no plan.
work::Trace completion_trace(const work::Generation& request, const ServedEndpoint& served,
                             const work::GenerationResult& result,
                             const energy::CarbonOptions& carbon_options, double wall_ms) {
  const auto carbon = energy::estimate_carbon(result.energy, carbon_options);
  work::PartTrace part{.expert = request.expert,
                       .why = "a plain completion goes to the model it names",
                       .prompt_tokens = result.prompt_tokens,
                       .completion_tokens = result.completion_tokens,
                       .time_to_first_token_ms = result.time_to_first_token_ms,
                       .tokens_per_s = result.tokens_per_s,
                       .energy = result.energy};
  part.finish_reason = std::string(work::finish_reason_name(result.finish_reason));
  return {.request_id = request.request_id,
          .endpoint = served.endpoint.name,
          .parts = {std::move(part)},
          .totals = {.tokens_per_s = result.tokens_per_s,
                     .energy = result.energy,
                     .gco2 = carbon.grams,
                     .gco2_method = carbon.method,
                     .wall_ms = wall_ms}};
}

}  // namespace

/// Asks the process of one endpoint in the orchestrator's words.
class Answering::Caller final : public orchestrator::ExpertCaller {
 public:
  Caller(fleet::ModelServers& servers, std::shared_ptr<const ServedEndpoint> served,
         fleet::ServerSpec spec)
      : servers_(servers), served_(std::move(served)), spec_(std::move(spec)) {}

  void start(work::Generation request, Callbacks callbacks, std::stop_token cancel) override {
    servers_.generate(served_->endpoint.name, served_->revision, spec_, std::move(request),
                      {.on_admitted = std::move(callbacks.on_admitted),
                       .on_text = std::move(callbacks.on_text),
                       .on_done = std::move(callbacks.on_done)},
                      std::move(cancel));
  }

 private:
  fleet::ModelServers& servers_;                        // Outlives the answers in progress.
  const std::shared_ptr<const ServedEndpoint> served_;  // Shared with the table.
  const fleet::ServerSpec spec_;
};

Answering::Answering(std::unique_ptr<Endpoints> endpoints, Options options, Clock& clock)
    : clock_(clock),
      options_(std::move(options)),
      endpoints_(std::move(endpoints)),
      orchestrator_({.carbon = options_.carbon}, clock),
      servers_(std::make_unique<fleet::ModelServers>(options_.start_server)) {}

Answering::~Answering() = default;

std::vector<ModelEntry> Answering::models() {
  const auto table = endpoints_->table();
  return table.ok() ? (*table)->models() : std::vector<ModelEntry>();
}

fleet::ServerSpec Answering::spec_of(const ServedEndpoint& endpoint) const {
  return {.name = endpoint.endpoint.name,
          .core = endpoint.core,
          .adapters = endpoint.adapters,
          .run_folder = options_.run_folder / fmt::format("e-{}", random_hex(4))};
}

void Answering::answer(work::Generation request, std::shared_ptr<AnswerSink> sink,
                       std::stop_token stop) {
  const auto table = endpoints_->table();
  if (!table.ok()) return sink->done(table.status());
  auto target = (*table)->find(request.model);
  if (!target.ok()) return sink->done(target.status());
  if (request.expert.empty()) request.expert = target->expert;
  if (!request.is_chat()) return complete(std::move(request), *target, sink, std::move(stop));
  const auto& served = target->endpoint;
  const auto caller = std::make_shared<Caller>(*servers_, served, spec_of(*served));
  orchestrator_.answer(std::move(request),
                       std::shared_ptr<const orchestrator::Endpoint>(served, &served->endpoint),
                       caller, std::make_shared<Joined>(std::move(sink)), std::move(stop));
}

void Answering::complete(work::Generation request, const EndpointTable::Target& target,
                         std::shared_ptr<AnswerSink> sink, std::stop_token stop) {
  if (request.expert.empty()) request.expert = "core";
  const auto served = target.endpoint;
  sink->route(request.expert);
  // Shared by the callbacks: whoever no longer listens ends the work.
  const auto leaving = std::make_shared<std::stop_source>();
  using OnStop = std::stop_callback<std::function<void()>>;
  const auto on_stop = std::make_shared<OnStop>(stop, [leaving] { leaving->request_stop(); });
  fleet::ModelServer::Callbacks callbacks;
  callbacks.on_admitted = [sink] { sink->admitted(); };
  callbacks.on_text = [sink, leaving](std::string_view text) {
    if (!sink->text(text)) leaving->request_stop();
  };
  callbacks.on_done = [sink, on_stop, request, served, carbon = options_.carbon,
                       watch = Stopwatch(clock_)](Result<work::GenerationResult> result) {
    if (!result.ok()) return sink->done(result.status());
    sink->done(AnswerSummary{
        .finish_reason = result->finish_reason,
        .prompt_tokens = result->prompt_tokens,
        .completion_tokens = result->completion_tokens,
        .logprobs = std::move(result->logprobs),
        .trace = completion_trace(request, *served, *result, carbon, 1e3 * watch.elapsed_s())});
  };
  servers_->generate(served->endpoint.name, served->revision, spec_of(*served), std::move(request),
                     std::move(callbacks), leaving->get_token());
}

Status Answering::ready() {
  PANAL_ASSIGN(const auto table, endpoints_->table());
  if (table->endpoints().empty()) return Status(Code::kUnavailable, "nothing is deployed yet");
  auto served = table->default_endpoint();
  if (!served) served = table->endpoints().front();
  const std::string& name = served->endpoint.name;
  const auto condition = servers_->condition(name, served->revision);
  using enum fleet::ModelServers::State;
  if (condition.state == kFailed) {
    return Status(Code::kUnavailable,
                  fmt::format("{} cannot be served: {}", name, condition.reason));
  }
  {
    const MutexLock lock(proven_->mutex);
    if (condition.state == kRunning && proven_->revision == served->revision) return Status();
    if (proven_->being_proven == served->revision) {
      return Status(Code::kUnavailable, name + " is being loaded");
    }
  }
  begin_proof(served, [](const Status&) {});
  return Status(Code::kUnavailable, name + " has not answered yet");
}

// Has the endpoint's process generate one token.
void Answering::begin_proof(const std::shared_ptr<const ServedEndpoint>& served, Proof then) {
  {
    const MutexLock lock(proven_->mutex);
    proven_->being_proven = served->revision;
  }
  const auto end = [proven = proven_, served, then](const Result<work::GenerationResult>& result) {
    const Status outcome = result.ok()
                               ? Status()
                               : Status(Code::kUnavailable, fmt::format("{} cannot be served: {}",
                                                                        served->endpoint.name,
                                                                        result.status().message()));
    {
      const MutexLock lock(proven->mutex);
      if (outcome.ok()) proven->revision = served->revision;
      if (proven->being_proven == served->revision) proven->being_proven.clear();
    }
    then(outcome);
  };
  servers_->generate(served->endpoint.name, served->revision, spec_of(*served),
                     {.expert = "core", .input = std::string("Hello"), .max_tokens = 1},
                     {.on_done = end}, {});
}

Status Answering::prove() {
  PANAL_ASSIGN(const auto table, endpoints_->table());
  PANAL_ASSIGN(const auto target, table->find(""));
  std::promise<Status> outcome;
  begin_proof(target.endpoint, [&](const Status& status) { outcome.set_value(status); });
  return outcome.get_future().get();
}

Answering::Options answering_options(Hive& hive) {
  return {.start_server =
              [&clock = hive.clock()](const fleet::ServerSpec& spec) {
                return fleet::EngineWorker::start(spec, clock);
              },
          .run_folder = hive.home().run,
          .carbon = energy::carbon_options_from_environment()};
}

}  // namespace panal::hub
