// The kinds of work panal-engine does, one function for each work::Job.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "engine/event_writer.h"
#include "work/benchmark_jobs.h"
#include "work/check_jobs.h"
#include "work/evaluation_jobs.h"
#include "work/generation.h"
#include "work/job.h"
#include "work/training.h"

namespace panal::engine {

struct JobContext {
  std::filesystem::path folder;  // Where the job may write.
  EventWriter& events;
  std::stop_token stop;
  std::optional<work::GroupPlace> group{};  // Of one process among several.
};

Result<work::ModelFacts> check_model(const work::CheckModelJob& job, const JobContext& context);
Result<work::AdapterFacts> check_adapter(const work::CheckAdapterJob& job,
                                         const JobContext& context);
Result<work::ExportedFiles> export_model(const work::ExportModelJob& job,
                                         const JobContext& context);
Result<work::GenerationResult> generate(const work::GenerateJob& job, const JobContext& context);
Result<work::TextEvaluations> evaluate_texts(const work::EvaluateTextsJob& job,
                                             const JobContext& context);
Result<work::ChoiceSummary> evaluate_choices(const work::EvaluateChoicesJob& job,
                                             const JobContext& context);
Result<work::DocumentLosses> document_losses(const work::DocumentLossesJob& job,
                                             const JobContext& context);
/// With a group: of one process of a run that several share.
Result<work::TrainingSummary> train(const work::TrainingJob& job, const JobContext& context);
Result<work::MeasuredFacts> measure(const work::MeasureJob& job, const JobContext& context);
Result<work::TrainingBenchmark> benchmark_training(const work::TrainingBenchmarkJob& job,
                                                   const JobContext& context);
Result<work::Contention> benchmark_contention(const work::ContentionJob& job,
                                              const JobContext& context);
Result<work::OptimizerContest> benchmark_optimizers(const work::OptimizerContestJob& job,
                                                    const JobContext& context);

/// Serves one core with its adapters on a unix socket until `stop`: POST /generate, GET /info.
/// Says its work::ServerFacts when it listens.
Status serve(const work::ServingSpec& spec, const std::string& socket, EventWriter& events,
             std::stop_token stop);

}  // namespace panal::engine
