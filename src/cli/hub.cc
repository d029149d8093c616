#include "cli/hub.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "topics/topic_model.h"

namespace panal::cli {
namespace {

constexpr std::uint64_t kMaxTopicModelBytes = 256u << 20;
constexpr char kAutoModel[] = "auto";

template <typename Options>
Json options_to_json(const Options& options) {
  Json request = Json::object();
  if (options.max_tokens) request["max_tokens"] = *options.max_tokens;
  if (options.temperature) request["temperature"] = *options.temperature;
  if (options.top_p) request["top_p"] = *options.top_p;
  if (options.top_k) request["top_k"] = *options.top_k;
  if (options.seed) request["seed"] = *options.seed;
  if (!options.stop.empty()) request["stop"] = options.stop;
  return request;
}

// Asks the engine process in the orchestrator's words.
class WorkerCaller final : public orchestrator::ExpertCaller {
 public:
  explicit WorkerCaller(fleet::EngineWorker& worker) : worker_(worker) {}

  Result<orchestrator::ExpertAnswer> call(const orchestrator::ExpertCall& call,
                                          const orchestrator::CallProgress& progress,
                                          std::stop_token cancel) override {
    Json request = options_to_json(call.options);
    request["adapter"] = call.adapter;
    request["messages"] = Json::array();
    for (const auto& message : call.messages)
      request["messages"].push_back({{"role", message.role}, {"content", message.content}});
    PANAL_ASSIGN(const fleet::WorkerAnswer answer,
                 worker_.generate(request, {progress.on_admitted, progress.on_text}, cancel));
    return orchestrator::ExpertAnswer{.text = answer.text,
                                      .finish_reason = answer.finish_reason,
                                      .prompt_tokens = answer.prompt_tokens,
                                      .completion_tokens = answer.completion_tokens,
                                      .time_to_first_token_ms = answer.time_to_first_token_ms,
                                      .tokens_per_s = answer.tokens_per_s,
                                      .energy = answer.energy};
  }

 private:
  fleet::EngineWorker& worker_;  // Outlives the caller.
};

// Passes the orchestrator's pieces on, and stops the work when nobody listens any more.
class ForwardingSink final : public orchestrator::AnswerSink {
 public:
  ForwardingSink(api::AnswerSink& sink, std::stop_source& stop) : sink_(sink), stop_(stop) {}
  void on_plan(const std::vector<orchestrator::PlannedPart>& plan) override {
    std::string route;
    for (const auto& part : plan) route += (route.empty() ? "" : ",") + part.expert;
    sink_.route(route);
  }
  void on_admitted() override { sink_.admitted(); }
  void on_text(std::string_view text) override {
    if (!sink_.text(text)) stop_.request_stop();
  }

 private:
  api::AnswerSink& sink_;
  std::stop_source& stop_;
};

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

// The trace of a plain completion: one part, no plan.
Json completion_trace(const api::AnswerRequest& request, const HubEndpoint& endpoint,
                      const std::string& expert, const fleet::WorkerAnswer& answer,
                      const energy::CarbonOptions& carbon_options, double wall_ms) {
  const auto carbon = energy::estimate_carbon(answer.energy, carbon_options);
  const Json energy = {{"joules", or_null(answer.energy.joules)},
                       {"method", answer.energy.method},
                       {"detail", answer.energy.detail}};
  return Json{{"request_id", request.request_id},
              {"endpoint", endpoint.endpoint.name},
              {"parts", Json::array({{{"index", 0},
                                      {"expert", expert},
                                      {"why", "a plain completion goes to the model it names"},
                                      {"prompt_tokens", answer.prompt_tokens},
                                      {"completion_tokens", answer.completion_tokens},
                                      {"ttft_ms", or_null(answer.time_to_first_token_ms)},
                                      {"tokens_per_s", or_null(answer.tokens_per_s)},
                                      {"energy", energy}}})},
              {"totals",
               {{"tokens_per_s", or_null(answer.tokens_per_s)},
                {"joules", or_null(answer.energy.joules)},
                {"method", answer.energy.method},
                {"gco2", or_null(carbon.grams)},
                {"gco2_method", carbon.method},
                {"wall_ms", wall_ms}}}};
}

}  // namespace

Hub::Hub(registry::Catalogue& catalogue, Clock& clock)
    : catalogue_(catalogue),
      clock_(clock),
      orchestrator_({}, clock),
      carbon_(energy::carbon_options_from_environment()) {}

Hub::Hub(registry::Catalogue& catalogue, Clock& clock, HubEndpoint only)
    : catalogue_(catalogue),
      clock_(clock),
      only_(std::move(only)),
      orchestrator_({}, clock),
      carbon_(energy::carbon_options_from_environment()) {}

Result<HubEndpoint> Hub::endpoint_of(const registry::Deployment& deployment) {
  const std::string revision =
      std::to_string(deployment.id) + "." + std::to_string(deployment.revision);
  {
    const std::lock_guard lock(known_mutex_);
    const auto found = known_.find(deployment.name);
    if (found != known_.end() && found->second.revision == revision) {
      found->second.is_default = deployment.is_default;
      return found->second;
    }
  }
  HubEndpoint made;
  made.revision = revision;
  made.is_default = deployment.is_default;
  made.created_unix_ms = deployment.created_unix_ms;
  made.endpoint.name = deployment.name;
  made.endpoint.core = deployment.core.name;
  made.endpoint.core_version = deployment.core.label();
  PANAL_ASSIGN(made.core, catalogue_.materialise(deployment.core));
  for (const auto& expert : deployment.experts) {
    PANAL_ASSIGN(const auto folder, catalogue_.materialise(expert.model));
    made.adapters.emplace_back(expert.model.name, folder);
    made.endpoint.experts.push_back({.name = expert.model.name,
                                     .label = expert.label,
                                     .partition = expert.label,
                                     .version = expert.model.label()});
  }
  if (!deployment.topic_model_blob.empty()) {
    PANAL_ASSIGN(const std::string text,
                 catalogue_.blobs().read(deployment.topic_model_blob, kMaxTopicModelBytes));
    PANAL_ASSIGN(const Json json, parse_json(text, "topic model of " + deployment.name));
    PANAL_ASSIGN(auto topics,
                 topics::TopicModel::from_json(json, "topic model of " + deployment.name));
    made.endpoint.topics = std::make_shared<const topics::TopicModel>(std::move(topics));
  }
  const std::lock_guard lock(known_mutex_);
  known_[deployment.name] = made;
  return made;
}

Result<std::vector<HubEndpoint>> Hub::endpoints() {
  if (only_) return std::vector<HubEndpoint>{*only_};
  PANAL_ASSIGN(const auto deployments, catalogue_.list_deployments());
  std::vector<HubEndpoint> endpoints;
  for (const auto& deployment : deployments) {
    PANAL_ASSIGN(auto endpoint, endpoint_of(deployment));
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

Result<Hub::Target> Hub::find_target(const std::string& model) {
  PANAL_ASSIGN(auto all, endpoints());
  std::vector<std::string> names = {kAutoModel};
  // The order of models(): what is listed under a name is what answers to it.
  for (auto& endpoint : all) {
    if (model == kAutoModel && endpoint.is_default) return Target{std::move(endpoint), ""};
  }
  for (auto& endpoint : all) {
    names.push_back(endpoint.endpoint.name);
    if (endpoint.endpoint.name == model) return Target{std::move(endpoint), ""};
  }
  for (auto& endpoint : all) {
    if (endpoint.endpoint.core == model) return Target{std::move(endpoint), "core"};
    for (const auto& expert : endpoint.endpoint.experts) {
      if (expert.name == model) return Target{std::move(endpoint), model};
    }
  }
  if (all.empty())
    return Status(Code::kNotFound,
                  "nothing is deployed yet; run panal demo, or panal deploy NAME --core MODEL");
  std::string known;
  for (const auto& name : names) known += (known.empty() ? "" : ", ") + name;
  return Status(Code::kNotFound,
                fmt::format("the model \"{}\" does not exist; known: {}", model, known));
}

Result<std::shared_ptr<fleet::EngineWorker>> Hub::worker_of(const HubEndpoint& endpoint) {
  const std::lock_guard lock(mutex_);
  Running& running = running_[endpoint.endpoint.name];
  if (running.worker && running.revision == endpoint.revision) return running.worker;
  // A socket path has at most 107 bytes: the folder's name stays short.
  const auto folder = catalogue_.home().run / fmt::format("e-{}", random_hex(4));
  PANAL_ASSIGN(auto worker, fleet::EngineWorker::start({.name = endpoint.endpoint.name,
                                                        .core = endpoint.core,
                                                        .adapters = endpoint.adapters,
                                                        .run_folder = folder}));
  running.worker = std::shared_ptr<fleet::EngineWorker>(std::move(worker));
  running.revision = endpoint.revision;
  return running.worker;
}

Status Hub::warm_up() {
  PANAL_ASSIGN(const auto all, endpoints());
  for (const auto& endpoint : all) {
    if (endpoint.is_default || all.size() == 1) return worker_of(endpoint).status();
  }
  return Status();
}

Status Hub::ready() {
  PANAL_ASSIGN(const auto all, endpoints());
  if (all.empty()) return Status(Code::kUnavailable, "nothing is deployed yet");
  return Status();
}

std::vector<api::ModelEntry> Hub::models() {
  std::vector<api::ModelEntry> entries;
  const auto all = endpoints();
  if (!all.ok()) return entries;
  const auto add = [&](const std::string& id, std::int64_t created_unix_ms, Json details) {
    const bool is_known =
        std::ranges::any_of(entries, [&](const auto& entry) { return entry.id == id; });
    if (!is_known)
      entries.push_back({.id = id,
                         .created_unix_s = created_unix_ms / 1000,
                         .owned_by = "panal",
                         .details = std::move(details)});
  };
  // The order of find_target(): the first one of a name answers to it.
  for (const auto& endpoint : *all) {
    if (endpoint.is_default)
      add(kAutoModel, endpoint.created_unix_ms,
          Json{{"kind", "auto"}, {"endpoint", endpoint.endpoint.name}});
  }
  for (const auto& endpoint : *all) {
    Json experts = Json::array();
    for (const auto& expert : endpoint.endpoint.experts)
      experts.push_back(
          {{"name", expert.name}, {"label", expert.label}, {"version", expert.version}});
    add(endpoint.endpoint.name, endpoint.created_unix_ms,
        Json{{"kind", "group"},
             {"core", endpoint.endpoint.core_version},
             {"experts", experts},
             {"default", endpoint.is_default}});
  }
  for (const auto& endpoint : *all) {
    add(endpoint.endpoint.core, endpoint.created_unix_ms,
        Json{{"kind", "core"}, {"version", endpoint.endpoint.core_version}});
    for (const auto& expert : endpoint.endpoint.experts) {
      add(expert.name, endpoint.created_unix_ms,
          Json{{"kind", "expert"}, {"version", expert.version}, {"label", expert.label}});
    }
  }
  return entries;
}

Result<api::AnswerSummary> Hub::answer(const api::AnswerRequest& request, api::AnswerSink& sink,
                                       std::stop_token stop) {
  PANAL_ASSIGN(const Target target, find_target(request.model));
  PANAL_ASSIGN(const auto worker, worker_of(target.endpoint));
  std::stop_source cancel;
  const std::stop_callback passes_on(stop, [&] { cancel.request_stop(); });
  const std::string expert = request.route.empty() ? target.expert : request.route;

  if (!request.is_chat) {
    const auto started = clock_.steady_now();
    const std::string answering = expert.empty() ? "core" : expert;
    Json body = options_to_json(request);
    body["prompt"] = request.prompt;
    body["adapter"] = answering == "core" ? "" : answering;
    sink.route(answering);
    const fleet::EngineWorker::Progress progress{.on_admitted = [&] { sink.admitted(); },
                                                 .on_text =
                                                     [&](std::string_view text) {
                                                       if (!sink.text(text)) cancel.request_stop();
                                                     }};
    PANAL_ASSIGN(const auto answer, worker->generate(body, progress, cancel.get_token()));
    const double wall_ms = 1e3 * seconds(clock_.steady_now() - started);
    return api::AnswerSummary{
        .finish_reason = answer.finish_reason,
        .prompt_tokens = answer.prompt_tokens,
        .completion_tokens = answer.completion_tokens,
        .trace = completion_trace(request, target.endpoint, answering, answer, carbon_, wall_ms)};
  }

  orchestrator::OrchestratorRequest work;
  work.request_id = request.request_id;
  for (const auto& message : request.messages)
    work.messages.push_back({message.role, message.content});
  work.options = {.max_tokens = request.max_tokens,
                  .temperature = request.temperature,
                  .top_p = request.top_p,
                  .top_k = request.top_k,
                  .seed = request.seed,
                  .stop = request.stop};
  work.expert = expert;
  work.split = request.split.value_or(true);
  work.panel = request.panel.value_or(false);
  work.carbon = carbon_;
  WorkerCaller caller(*worker);
  ForwardingSink forwarding(sink, cancel);
  PANAL_ASSIGN(const auto answer, orchestrator_.answer(work, target.endpoint.endpoint, caller,
                                                       forwarding, cancel.get_token()));
  return api::AnswerSummary{.finish_reason = answer.finish_reason,
                            .prompt_tokens = answer.prompt_tokens,
                            .completion_tokens = answer.completion_tokens,
                            .trace = orchestrator::to_json(answer.trace)};
}

}  // namespace panal::cli
