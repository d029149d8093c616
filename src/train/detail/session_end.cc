// The end of a session: the model folder, the sample, the plot and the summary, written last
// because it says that the rest is there.
#include <fmt/format.h>

#include <numeric>

#include "evaluate/evaluate.h"
#include "train/detail/plot.h"
#include "train/detail/session.h"

namespace panal::train::detail {
namespace {

constexpr double kSampleTemperature = 0.8;

double mean(const std::deque<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

energy::EnergyReading Session::energy_so_far() const {
  const energy::EnergyReading now = energy_.read();
  if (earlier_energy_.method.empty()) return now;
  const std::vector<energy::EnergyReading> parts = {earlier_energy_, now};
  return energy::combine(parts);
}

TrainSummary Session::summary_of(RunStatus status) const {
  TrainSummary summary;
  summary.status = status;
  summary.kind = config_.kind;
  summary.name = config_.name;
  summary.steps = counters_.step;
  summary.planned_steps = plan_ ? plan_->steps : 0;
  summary.skipped_steps = counters_.skipped_steps;
  summary.outlier_steps = counters_.outlier_steps;
  summary.rollbacks = counters_.rollbacks;
  summary.resumed_from_step = resumed_from_step_;
  summary.tokens = counters_.tokens;
  summary.seconds = elapsed();
  if (counters_.training_seconds > 0) {
    summary.tokens_per_second = static_cast<double>(counters_.tokens) / counters_.training_seconds;
  }
  summary.checkpoint_seconds = counters_.checkpoint_seconds;
  summary.training_loss = mean(counters_.recent_losses);
  summary.first_evaluation = counters_.first_evaluation;
  summary.last_evaluation = counters_.last_evaluation;
  summary.best_evaluation = counters_.best_evaluation;
  summary.energy = energy_so_far();
  if (corpus_) {
    summary.training_documents = corpus_->facts.training_documents;
    summary.validation_documents = corpus_->facts.validation_documents;
    for (const auto& source : corpus_->training) {
      for (const auto& shard : source.shards) summary.training_tokens += shard.num_tokens();
    }
    summary.duplicate_documents = corpus_->facts.duplicate_documents;
    summary.duplicate_bytes = corpus_->facts.duplicate_bytes;
    summary.dataset_sha256 = corpus_->facts.dataset_sha256;
  }
  if (trainer_) {
    summary.sources = trainer_->stream().use();
    summary.parameters = trainer_->num_parameters();
    summary.trainable_parameters = trainer_->num_trainable_parameters();
  }
  return summary;
}

Status Session::write_small_file(std::string_view name, std::string_view text) {
  return patience_.keep_trying(
      [&] { return store::write_file_atomically(environment_.files, at(name), text); });
}

Result<TrainSummary> Session::write_summary(TrainSummary summary) {
  if (machines_) {
    PANAL_TRY(patience_.keep_trying([&] { return machines_->end(elapsed() - earlier_seconds_); }));
    const report::Call largest = machines_->largest_call();
    summary.peak_resident_bytes = largest.peak_resident_bytes;
    summary.largest_process_bytes = largest.largest_process_bytes;
    summary.peak_device_bytes = largest.peak_device_bytes;
  }
  if (journal_ && trainer_) {
    LossCurves curves = journal_->curves();
    curves.title = fmt::format("{}: {:.1f}M parameters, {} steps", config_.name,
                               static_cast<double>(summary.parameters) / 1e6, summary.steps);
    PANAL_TRY(write_small_file("loss.svg", loss_plot(curves)));
  }
  PANAL_TRY(write_small_file("summary.json", to_pretty(summary_to_json(summary))));
  return summary;
}

Result<TrainSummary> Session::stopped_summary() {
  return write_summary(summary_of(RunStatus::kStopped));
}

Status Session::write_model(const std::filesystem::path& folder) const {
  if (config_.kind == recipe::RunKind::kLora) return trainer_->decoder().save_adapter(folder);
  PANAL_TRY(trainer_->decoder().save_hugging_face(folder));
  return corpus_->tokenizer.save(folder);
}

Result<std::string> Session::write_sample() {
  if (config_.evaluation.sample_tokens == 0) return std::string();
  const std::string& prompt = config_.evaluation.sample_prompt;
  std::string text =
      evaluate::sample_text(trainer_->decoder(), corpus_->tokenizer, prompt,
                            config_.evaluation.sample_tokens, kSampleTemperature, config_.seed);
  events_.on_sample(text);
  PANAL_TRY(write_small_file("sample.txt", text + "\n"));
  return text;
}

Result<TrainSummary> Session::finish(RunStatus status) {
  // A resume of a run that had only its end left to do may have scored this step already.
  if (!counters_.last_evaluation || counters_.last_evaluation->step != counters_.step) {
    const Status evaluated = evaluate_now();
    if (evaluated.code() == Code::kCancelled) return stopped_summary();
    PANAL_TRY(evaluated);
  }
  const auto folder = at("model");
  std::string sample;
  PANAL_TRY(at_evaluation_point([&]() -> Status {
    PANAL_TRY(patience_.keep_trying([&] {
      return replace_folder(environment_.files, folder, [this](const std::filesystem::path& path) {
        return write_model(path);
      });
    }));
    PANAL_ASSIGN(sample, write_sample());
    return Status();
  }));
  TrainSummary summary = summary_of(status);
  summary.sample = std::move(sample);
  summary.model_folder = folder;
  return write_summary(std::move(summary));
}

}  // namespace panal::train::detail
