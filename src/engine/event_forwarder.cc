#include "engine/event_forwarder.h"

namespace panal::engine {

void EventForwarder::on_message(std::string_view text) {
  events_.write("message", Json{{"text", text}});
}

void EventForwarder::on_sample(std::string_view text) {
  events_.write("sample", Json{{"text", text}});
}

void EventForwarder::on_progress(const train::Progress& progress) {
  events_.write("progress", Json{{"step", progress.step},
                                 {"steps", progress.steps},
                                 {"loss", progress.loss},
                                 {"learning_rate", progress.learning_rate},
                                 {"tokens", progress.tokens},
                                 {"tokens_per_s", progress.tokens_per_second},
                                 {"seconds_left", progress.seconds_left}});
}

void EventForwarder::on_evaluation(const train::EvaluationPoint& point) {
  events_.write("evaluation", train::evaluation_to_json(point));
}

void EventForwarder::on_checkpoint(std::int64_t step, const std::filesystem::path& folder) {
  events_.write("checkpoint", Json{{"step", step}, {"folder", folder.string()}});
}

}  // namespace panal::engine
