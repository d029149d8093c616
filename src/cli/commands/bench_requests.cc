// What does a request cost beside the model? A client asks the real API and orchestrator over TCP
// on this machine; the experts answer at once from a script. The bound is the client's own share:
// it runs in the same process.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <vector>

#include "api/routes.h"
#include "base/clock.h"
#include "cli/commands/commands.h"
#include "hub/answer_service.h"
#include "net/http_client.h"
#include "orchestrator/orchestrator.h"

namespace panal::cli {
namespace {

constexpr char kModel[] = "scripted";

struct BenchRequestsOptions {
  std::vector<int> connections = {1, 64};
  int requests = 2000;  // Of each measurement; a tenth more warms up.
  int pieces = 16;      // Of each answer.
};

/// Says the same words whatever it is asked.
class ScriptedExpert final : public orchestrator::ExpertCaller {
 public:
  explicit ScriptedExpert(int num_pieces) : num_pieces_(num_pieces) {}
  void start(work::Generation, Callbacks callbacks, std::stop_token) override {
    work::GenerationResult result{.completion_tokens = num_pieces_};
    callbacks.on_admitted();
    for (int i = 0; i < num_pieces_; ++i) {
      callbacks.on_text("word ");
      result.text += "word ";
    }
    callbacks.on_done(std::move(result));
  }

 private:
  const int num_pieces_;
};

class PassingSink final : public orchestrator::AnswerSink {
 public:
  explicit PassingSink(std::shared_ptr<hub::AnswerSink> sink) : sink_(std::move(sink)) {}
  void on_plan(const std::vector<orchestrator::PlannedPart>& plan) override {
    sink_->route(plan.front().expert);
  }
  void on_admitted() override { sink_->admitted(); }
  bool on_text(std::string_view text) override { return sink_->text(text); }
  void on_done(Result<orchestrator::Answer> answer) override {
    if (!answer.ok()) return sink_->done(answer.status());
    sink_->done(hub::AnswerSummary{.finish_reason = answer->finish_reason,
                                   .prompt_tokens = answer->prompt_tokens,
                                   .completion_tokens = answer->completion_tokens,
                                   .trace = std::move(answer->trace)});
  }

 private:
  const std::shared_ptr<hub::AnswerSink> sink_;  // Shared with the API.
};

class ScriptedService final : public hub::AnswerService {
 public:
  ScriptedService(int num_pieces, Clock& clock)
      : expert_(std::make_shared<ScriptedExpert>(num_pieces)), orchestrator_({}, clock) {}
  std::vector<hub::ModelEntry> models() override { return {{.id = kModel}}; }
  void answer(work::Generation request, std::shared_ptr<hub::AnswerSink> sink,
              std::stop_token stop) override {
    orchestrator_.answer(std::move(request), endpoint_, expert_,
                         std::make_shared<PassingSink>(std::move(sink)), std::move(stop));
  }

 private:
  // Shared with the answers in progress.
  const std::shared_ptr<ScriptedExpert> expert_;
  const std::shared_ptr<const orchestrator::Endpoint> endpoint_ =
      std::make_shared<const orchestrator::Endpoint>(orchestrator::Endpoint{
          .name = kModel, .core = kModel, .core_version = "", .experts = {}, .topics = {}});
  const orchestrator::Orchestrator orchestrator_;
};

/// Keeps a number of requests open until all were answered.
class Load {
 public:
  Load(const net::HttpClient& client, bool is_streamed, int num_requests)
      : client_(client), num_left_(num_requests), num_unanswered_(num_requests) {
    request_ = {.method = "POST",
                .target = "/v1/chat/completions",
                .headers = {{"Content-Type", "application/json"}},
                .body = to_line(Json{
                    {"model", kModel},
                    {"messages", Json::array({{{"role", "user"}, {"content", "Which words?"}}})},
                    {"stream", is_streamed}})};
  }

  /// The milliseconds of each request, ascending.
  Result<std::vector<double>> run(int num_connections) {
    for (int i = 0; i < num_connections; ++i) start_next();
    done_.get_future().wait();
    if (!failure_.ok()) return failure_;
    std::ranges::sort(latencies_ms_);
    return std::move(latencies_ms_);
  }

 private:
  // Its callbacks run on the client's thread, one at a time.
  void start_next() {
    if (num_left_-- <= 0) return;
    const Stopwatch watch;
    client_.start(request_, {.on_done = [this, watch](Result<net::ClientResponse> answer) {
                    latencies_ms_.push_back(1e3 * watch.elapsed_s());
                    if (failure_.ok() && (!answer.ok() || answer->status != 200)) {
                      failure_ =
                          answer.ok() ? Status(Code::kInternal, answer->body) : answer.status();
                    }
                    start_next();
                    if (--num_unanswered_ == 0) done_.set_value();
                  }});
  }

  const net::HttpClient& client_;
  net::ClientRequest request_;
  std::atomic<int> num_left_;
  int num_unanswered_;                // The client's thread only, as all below.
  std::vector<double> latencies_ms_;  // In the order of their ends.
  Status failure_;
  std::promise<void> done_;
};

Result<Json> measure(const net::HttpClient& client, bool is_streamed, int num_connections,
                     const BenchRequestsOptions& options) {
  Load warm_up(client, is_streamed, std::max(num_connections, options.requests / 10));
  PANAL_TRY(warm_up.run(num_connections).status());
  Load load(client, is_streamed, options.requests);
  const Stopwatch watch;
  PANAL_ASSIGN(const std::vector<double> latencies_ms, load.run(num_connections));
  const double taken_s = watch.elapsed_s();
  const auto quantile = [&](double share) {
    const auto last = static_cast<double>(latencies_ms.size() - 1);
    return latencies_ms[static_cast<std::size_t>(share * last)];
  };
  return Json{{"streamed", is_streamed},      {"connections", num_connections},
              {"requests", options.requests}, {"requests_per_s", options.requests / taken_s},
              {"p50_ms", quantile(0.5)},      {"p99_ms", quantile(0.99)}};
}

Result<Json> bench_requests(const BenchRequestsOptions& options, Workspace& workspace) {
  ScriptedService service(options.pieces, workspace.clock());
  PANAL_ASSIGN(const auto server, api::ApiServer::start({}, {}, service, workspace.clock()));
  const net::HttpClient client(server->endpoint(), {.max_kept_connections = 256});
  Json measurements = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"answer", "connections", "requests/s", "p50 ms", "p99 ms"}};
  for (const bool is_streamed : {false, true}) {
    for (const int connections : options.connections) {
      PANAL_ASSIGN(const Json one, measure(client, is_streamed, connections, options));
      rows.push_back({is_streamed ? "streamed" : "whole", std::to_string(connections),
                      fmt::format("{:.0f}", one.value("requests_per_s", 0.0)),
                      fmt::format("{:.2f}", one.value("p50_ms", 0.0)),
                      fmt::format("{:.2f}", one.value("p99_ms", 0.0))});
      measurements.push_back(one);
    }
  }
  workspace.terminal().table(rows);
  return Json{{"pieces", options.pieces}, {"measurements", std::move(measurements)}};
}

}  // namespace

void add_bench_requests_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<BenchRequestsOptions>();  // Shared by the flags and the callback.
  CLI::App* command = bench.add_subcommand(
      "requests", "What a request costs beside the model: API and orchestrator, scripted experts");
  command->add_option("--connections", options->connections, "Requests that are open at once")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--requests", options->requests, "Requests of each measurement")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  command->add_option("--pieces", options->pieces, "Pieces of text of each answer")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return bench_requests(*options, workspace); };
  });
}

}  // namespace panal::cli
