#include "train/run.h"

#include "engine/commands/commands.h"

namespace panal::engine {
namespace {

class EventForwarder final : public train::RunEvents {
 public:
  explicit EventForwarder(EventWriter& events) : events_(events) {}

  void on_message(std::string_view text) override {
    events_.write("message", Json{{"text", text}});
  }
  void on_sample(std::string_view text) override { events_.write("sample", Json{{"text", text}}); }
  void on_progress(const train::Progress& progress) override {
    events_.write("progress", Json{{"step", progress.step},
                                   {"steps", progress.steps},
                                   {"loss", progress.loss},
                                   {"learning_rate", progress.learning_rate},
                                   {"tokens", progress.tokens},
                                   {"tokens_per_s", progress.tokens_per_second},
                                   {"seconds_left", progress.seconds_left}});
  }
  void on_evaluation(const train::EvaluationPoint& point) override {
    events_.write("evaluation", Json{{"step", point.step},
                                     {"tokens", point.tokens},
                                     {"loss", point.loss},
                                     {"perplexity", point.perplexity}});
  }
  void on_checkpoint(std::int64_t step, const std::filesystem::path& folder) override {
    events_.write("checkpoint", Json{{"step", step}, {"folder", folder.string()}});
  }

 private:
  EventWriter& events_;  // Outlives the run.
};

}  // namespace

Result<Json> train(const JobContext& job) {
  PANAL_ASSIGN(const std::string yaml, json_string(job.spec, "config", "job"));
  PANAL_ASSIGN(const std::string name, json_string(job.spec, "config_name", "job"));
  PANAL_ASSIGN(const std::string run_directory, json_string(job.spec, "run_directory", "job"));
  std::string base_directory;
  if (json_has(job.spec, "base_directory")) {
    PANAL_ASSIGN(base_directory, json_string(job.spec, "base_directory", "job"));
  }
  PANAL_ASSIGN(train::TrainConfig config, train::parse_train_config(yaml, name, base_directory));
  config.run_directory = run_directory;
  EventForwarder forwarder(job.events);
  PANAL_ASSIGN(const train::TrainSummary summary, train::run(config, forwarder, job.stop));
  return train::summary_to_json(summary);
}

}  // namespace panal::engine
