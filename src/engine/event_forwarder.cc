#include "engine/event_forwarder.h"

namespace panal::engine {

void EventForwarder::on_message(std::string_view text) {
  events_.write({work::JobMessage{std::string(text)}});
}

void EventForwarder::on_sample(std::string_view text) {
  events_.write({work::JobSample{std::string(text)}});
}

void EventForwarder::on_progress(const train::Progress& progress) {
  events_.write({work::TrainingProgress{.step = progress.step,
                                        .steps = progress.steps,
                                        .loss = progress.loss,
                                        .learning_rate = progress.learning_rate,
                                        .tokens = progress.tokens,
                                        .tokens_per_s = progress.tokens_per_second,
                                        .seconds_left = progress.seconds_left}});
}

void EventForwarder::on_evaluation(const train::EvaluationPoint& point) {
  work::EvaluationPoint told{.step = point.step,
                             .tokens = point.tokens,
                             .loss = point.loss,
                             .perplexity = point.perplexity,
                             .bits_per_byte = point.bits_per_byte};
  for (const train::TaskScore& task : point.tasks) {
    told.tasks.push_back({.name = task.name,
                          .items = task.items,
                          .acc = task.acc,
                          .acc_norm = task.acc_norm,
                          .acc_standard_error = task.acc_standard_error,
                          .acc_norm_standard_error = task.acc_norm_standard_error});
  }
  events_.write({std::move(told)});
}

void EventForwarder::on_checkpoint(std::int64_t step, const std::filesystem::path& folder) {
  events_.write({work::CheckpointWritten{.step = step, .folder = folder}});
}

}  // namespace panal::engine
