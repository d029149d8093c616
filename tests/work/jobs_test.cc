// Jobs and their outcomes: what one side writes, the other reads whole, and nothing missing is 0.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "work/benchmark_jobs.h"
#include "work/check_jobs.h"
#include "work/evaluation_jobs.h"
#include "work/job.h"
#include "work/job_event.h"
#include "work/training.h"

namespace panal::work {
namespace {

using testing::HasSubstr;

// A value of each type with every member set to something else than it begins with.
std::tuple<JobFile, CheckModelJob, ModelFacts, CheckAdapterJob, AdapterFacts, ExportModelJob,
           ExportedFiles>
check_values() {
  return {JobFile{.kind = "train", .spec = {{"x", 1}}, .group = GroupPlace{1, 3, "unix:a", "t"}},
          CheckModelJob{"m.gguf"},
          ModelFacts{"llama",
                     812,
                     2,
                     8,
                     4,
                     2,
                     16,
                     32,
                     64,
                     true,
                     30,
                     {"odd"},
                     true,
                     "why",
                     true,
                     false,
                     "no tools"},
          CheckAdapterJob{"m", "a"},
          AdapterFacts{"lora", 8, 16, {"q_proj"}, "bee", 64},
          ExportModelJob{"m", "out"},
          ExportedFiles{"out", 812}};
}

std::tuple<EvaluateTextsJob, TextEvaluations, EvaluateChoicesJob, ChoiceSummary, DocumentLossesJob,
           DocumentLosses>
evaluation_values() {
  const ChoiceAccuracies accuracies{4, {0.5, 0.25}, {0.75, 0.1}, {0.25, 0.2}};
  return {EvaluateTextsJob{"m", {{"wax", "a"}}, {{"data", "t.txt"}}, 32, 100},
          TextEvaluations{32, {{"wax", "data", 31, 2.5, 12.2, 0.8}}},
          EvaluateChoicesJob{"m", "a", {"q.jsonl", "arc", 5, "s.jsonl", 10}, 64, "d.jsonl"},
          ChoiceSummary{accuracies, {{"law", accuracies}}, 0.5, 0.75},
          DocumentLossesJob{"m", "d.jsonl", 48},
          DocumentLosses{{2.5, std::nullopt}}};
}

Machine some_machine() { return {"cpu", "a CPU", 2, 2, 1 << 30, "bf16", "0.1", 1e11, 3e10}; }

std::tuple<TrainingJob, TrainingSummary, MeasureJob, MeasuredFacts> training_values() {
  const EvaluationPoint point{3, 90, 2.5, 12.2, 0.8, {{"arc", {4, 0.5, 0.25, 0.1, std::nullopt}}}};
  const RunFile file{"kind: pretrain", "run.yaml", "/data", 2};
  return {TrainingJob{file, "/run"},
          TrainingSummary{.status = RunStatus::kTimeLimit,
                          .kind = "lora",
                          .name = "n",
                          .steps = 3,
                          .planned_steps = 4,
                          .skipped_steps = 1,
                          .outlier_steps = 1,
                          .rollbacks = 2,
                          .resumed_from_step = 2,
                          .parameters = 8,
                          .trainable_parameters = 4,
                          .training_documents = 5,
                          .validation_documents = 1,
                          .duplicate_documents = 2,
                          .duplicate_bytes = 20,
                          .training_tokens = 100,
                          .tokens = 90,
                          .seconds = 1.5,
                          .tokens_per_second = 60,
                          .checkpoint_seconds = 0.1,
                          .training_loss = 2.25,
                          .first_evaluation = point,
                          .last_evaluation = point,
                          .best_evaluation = point,
                          .dataset_sha256 = "ab",
                          .sources = {{"a", 0.5, 50, 3, 6, 2}},
                          .sample = "hola",
                          .peak_resident_bytes = 1000,
                          .largest_process_bytes = 600,
                          .peak_device_bytes = 10,
                          .energy = {3.5, "measured", "all"},
                          .model_folder = "/run/model"},
          MeasureJob{file}, MeasuredFacts{some_machine(), 1e8, 2e8}};
}

std::tuple<TrainingBenchmarkJob, TrainingBenchmark, ContentionJob, Contention, OptimizerContestJob,
           OptimizerContest>
benchmark_values() {
  const SeedFigure figure{2, 1, 3};
  const RuleSettings settings{0.02, 0.008, 2};
  return {TrainingBenchmarkJob{"gpt2-small", "llama", 2, 64, 4, 512, 128, 2, 3, 1, "bf16", "bf16",
                               "bf16", "full", "muon", "cpu"},
          TrainingBenchmark{"cpu", "gpt2", 2,   64, 4,  512, 128, 1000,       900,
                            0.1,   0.09,   0.2, 5,  50, 0.1, 6.5, {0.1, 0.2}, some_machine(),
                            7,     8,      9},
          ContentionJob{3, 1.5, "m.gguf"},
          Contention{{{"lora", {10, 11}, {6, 7}, 10.5, 6.5, 0.62, 0.6, 0.64}}, some_machine()},
          OptimizerContestJob{{"a.txt"},
                              {"muon"},
                              4.5,
                              2,
                              3,
                              64,
                              2,
                              512,
                              64,
                              8,
                              100,
                              10,
                              5,
                              512,
                              "bf16",
                              {{"muon", {0.01, 0.02}}},
                              {{"muon", {0.1}}},
                              {{"x", {2}}}},
          OptimizerContest{RunStatus::kStopped,
                           4.5,
                           true,
                           512,
                           1000,
                           512,
                           5000,
                           500,
                           "ab",
                           some_machine(),
                           {{"muon",
                             settings,
                             true,
                             1,
                             figure,
                             figure,
                             figure,
                             figure,
                             figure,
                             {{settings, 100, 4.4, true, true}},
                             {{1, 10, 100, 2, 4.4, true, {{10, 100, 2, 4.4}}}}}},
                           {{"muon", "adamw", 0.75, figure, true, "met"}}}};
}

// Both directions of a value, and the other again: nothing is lost and nothing is made up.
template <typename T>
void expect_round_trip(const T& value) {
  const Json document = encode(value);
  EXPECT_EQ(document.at("version"), "1.0");
  const auto read = decode<T>(document, "here");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(encode(*read), document);
  for (const auto& [name, member] : document.items()) {
    EXPECT_FALSE(member.is_null()) << name << " of this value was to be set";
  }
  Json newer = document;
  newer["version"] = "1.9";
  newer["colour"] = "blue";
  const auto counted = decode_counting<T>(newer, "here");
  ASSERT_TRUE(counted.ok()) << counted.status().message();
  EXPECT_EQ(counted->num_ignored, 1);
  Json misspelt = document;
  misspelt["colour"] = "blue";
  EXPECT_THAT(decode<T>(misspelt, "here").status().message(), HasSubstr("\"colour\""));
}

TEST(Jobs, ComeBackWholeFromTheirDocuments) {
  const auto each = [](const auto&... values) { (expect_round_trip(values), ...); };
  std::apply(each, check_values());
  std::apply(each, evaluation_values());
  std::apply(each, training_values());
  std::apply(each, benchmark_values());
}

// Takes each member away in turn: it is missed, or it was one that may be unknown.
template <typename T>
void expect_nothing_missing_is_zero(const T& value) {
  const Json document = encode(value);
  for (const auto& [name, member] : document.items()) {
    if (name == "version") continue;
    Json torn = document;
    torn.erase(name);
    const auto read = decode<T>(torn, "here");
    if (!read.ok()) {
      EXPECT_THAT(read.status().message(), HasSubstr("\"" + name + "\" is missing"));
      continue;
    }
    const Json again = encode(*read);
    if (member.is_number()) {
      EXPECT_TRUE(!again.contains(name) || again.at(name).is_null())
          << name << " was taken away and came back as " << again.at(name);
    }
  }
}

TEST(Jobs, AFigureThatIsMissingIsAnErrorOrUnknown) {
  const auto each = [](const auto&... values) { (expect_nothing_missing_is_zero(values), ...); };
  std::apply(each, check_values());
  std::apply(each, evaluation_values());
  std::apply(each, training_values());
  std::apply(each, benchmark_values());
}

TEST(Jobs, FiguresOutOfBoundsAndUnknownNamesAreRefused) {
  const auto refused = [](Json document, const char* member, Json value) {
    document[member] = std::move(value);
    return decode<TrainingBenchmarkJob>(document, "job").status().message();
  };
  const Json good = encode(std::get<TrainingBenchmarkJob>(benchmark_values()));
  EXPECT_EQ(refused(good, "batch", 4), "");
  EXPECT_THAT(refused(good, "batch", 0), HasSubstr("\"batch\""));
  EXPECT_THAT(refused(good, "batch", 2.5), HasSubstr("\"batch\""));
  EXPECT_THAT(refused(good, "precision", "fp8"), HasSubstr("fp32, bf16"));
  EXPECT_THAT(refused(good, "precision", "fp8"), HasSubstr("fp8"));
  Json contest = encode(std::get<OptimizerContest>(benchmark_values()));
  contest["rules"][0]["seeds"][0]["curve"][0] = {1, 2};
  EXPECT_THAT(decode<OptimizerContest>(contest, "contest").status().message(),
              HasSubstr("a list of 4"));
}

// Files that older versions of panal wrote have no version of their own, and others may add to
// them.
TEST(Jobs, PartsAreReadWithoutAVersionAndWithMore) {
  Json summary = to_json(std::get<TrainingSummary>(training_values()));
  EXPECT_FALSE(summary.contains("version"));
  summary["run_folder"] = "/run";
  const auto read = from_json<TrainingSummary>(summary, "summary.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->status, RunStatus::kTimeLimit);
  summary["steps"] = "three";
  EXPECT_THAT(from_json<TrainingSummary>(summary, "summary.json").status().message(),
              HasSubstr("summary.json: \"steps\""));
}

}  // namespace
}  // namespace panal::work
