// What a training run tells, as events of the job it runs in.
#pragma once

#include "engine/event_writer.h"
#include "train/run.h"

namespace panal::engine {

class EventForwarder final : public train::RunEvents {
 public:
  explicit EventForwarder(EventWriter& events) : events_(events) {}

  void on_message(std::string_view text) override;
  void on_sample(std::string_view text) override;
  void on_progress(const work::TrainingProgress& progress) override;
  void on_evaluation(const work::EvaluationPoint& point) override;
  void on_checkpoint(std::int64_t step, const std::filesystem::path& folder) override;

 private:
  EventWriter& events_;  // Outlives the run.
};

}  // namespace panal::engine
