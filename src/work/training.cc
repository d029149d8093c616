#include "work/training.h"

#include "work/detail/describe.h"
#include "work/detail/describe_machine.h"
#include "work/detail/describe_training.h"

namespace panal::work {
namespace {

constexpr std::pair<RunStatus, std::string_view> kStatusNames[] = {
    {RunStatus::kCompleted, "completed"},
    {RunStatus::kTimeLimit, "time_limit"},
    {RunStatus::kStopped, "stopped"},
};
constexpr detail::Range<std::int64_t> kProcesses{1, 64};
constexpr detail::Range<std::int64_t> kSinceStart{-1, std::int64_t{1} << 60};

}  // namespace

detail::EnumNames<RunStatus> enum_names(RunStatus) { return kStatusNames; }

std::string_view run_status_name(RunStatus status) {
  return std::ranges::find(kStatusNames, status, [](const auto& entry) { return entry.first; })
      ->second;
}

template <typename Members>
void describe(Members& members, detail::Is<SourceUse> auto& self) {
  members.required("name", self.name);
  members.required("share", self.share, detail::kShare);
  members.required("tokens", self.num_tokens, detail::kCount);
  members.required("windows_per_epoch", self.num_windows, detail::kPositive);
  members.required("windows", self.windows, detail::kCount);
  members.optional("epochs", self.epochs, detail::kNotNegative);
}

template <typename Members>
void describe(Members& members, detail::Is<TrainingSummary> auto& self) {
  members.required("status", self.status);
  members.required("kind", self.kind);
  members.required("name", self.name);
  members.required("steps", self.steps, detail::kCount);
  members.required("planned_steps", self.planned_steps, detail::kCount);
  members.required("skipped_steps", self.skipped_steps, detail::kCount);
  members.required("outlier_steps", self.outlier_steps, detail::kCount);
  members.required("rollbacks", self.rollbacks, detail::kCount);
  members.required("resumed_from_step", self.resumed_from_step, kSinceStart);
  members.required("parameters", self.parameters, detail::kCount);
  members.required("trainable_parameters", self.trainable_parameters, detail::kCount);
  members.required("training_documents", self.training_documents, detail::kCount);
  members.required("validation_documents", self.validation_documents, detail::kCount);
  members.required("duplicate_documents", self.duplicate_documents, detail::kCount);
  members.required("duplicate_bytes", self.duplicate_bytes, detail::kCount);
  members.required("training_tokens", self.training_tokens, detail::kCount);
  members.required("tokens", self.tokens, detail::kCount);
  members.wish("peak_resident_bytes", self.peak_resident_bytes, detail::kPositive);
  members.wish("largest_process_bytes", self.largest_process_bytes, detail::kPositive);
  members.wish("peak_device_bytes", self.peak_device_bytes, detail::kPositive);
  members.required("seconds", self.seconds, detail::kNotNegative);
  members.optional("tokens_per_second", self.tokens_per_second, detail::kNotNegative);
  members.required("checkpoint_seconds", self.checkpoint_seconds, detail::kNotNegative);
  members.optional("training_loss", self.training_loss, detail::kNotNegative);
  members.wish("first_evaluation", self.first_evaluation);
  members.wish("last_evaluation", self.last_evaluation);
  members.wish("best_evaluation", self.best_evaluation);
  members.required("dataset_sha256", self.dataset_sha256);
  members.required("sources", self.sources);
  members.required("sample", self.sample);
  members.required("energy", self.energy);
  members.required("model_folder", self.model_folder);
}

template <typename Members>
void describe(Members& members, detail::Is<RunFile> auto& self) {
  members.required("config", self.config);
  members.required("config_name", self.config_name);
  members.wish("base_directory", self.base_directory);
  members.wish("processes", self.processes, kProcesses);
}

template <typename Members>
void describe(Members& members, detail::Is<TrainingJob> auto& self) {
  members.inlined(self.file);
  members.required("run_directory", self.run_directory);
}

template <typename Members>
void describe(Members& members, detail::Is<MeasureJob> auto& self) {
  members.inlined(self.file);
}

PANAL_WORK_CODEC(TrainingJob)
PANAL_WORK_CODEC(TrainingSummary)
PANAL_WORK_CODEC(MeasureJob)
PANAL_WORK_PART(TrainingSummary)
PANAL_WORK_PART(EvaluationPoint)
PANAL_WORK_PART(EnergyReading)

}  // namespace panal::work
