#include "engine/event_forwarder.h"

namespace panal::engine {

void EventForwarder::on_message(std::string_view text) {
  events_.write({work::JobMessage{std::string(text)}});
}

void EventForwarder::on_sample(std::string_view text) {
  events_.write({work::JobSample{std::string(text)}});
}

void EventForwarder::on_progress(const work::TrainingProgress& progress) {
  events_.write({progress});
}

void EventForwarder::on_evaluation(const work::EvaluationPoint& point) { events_.write({point}); }

void EventForwarder::on_checkpoint(std::int64_t step, const std::filesystem::path& folder) {
  events_.write({work::CheckpointWritten{.step = step, .folder = folder}});
}

}  // namespace panal::engine
