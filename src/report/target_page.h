// Update rules on their way to the same loss, as `panal bench optim` measures them: a table, curves
// with their spread over seeds, and whether the goals are met.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "report/chart.h"
#include "report/run_record.h"
#include "work/benchmark_jobs.h"

namespace panal::report {

using work::SeedFigure;

struct TargetSeed {
  struct Point {
    double step = 0, tokens = 0, loss = 0;  // Nats per token.
  };
  std::vector<Point> curve{};  // By ascending step.
  bool has_reached = false;
};

struct TargetRule {
  std::string name{};
  double learning_rate = 0, embedding_learning_rate = 0;
  std::optional<double> extrapolation{};
  std::vector<TargetSeed> seeds{};
  /// To the target, over the seeds that reached it; empty: none did.
  std::optional<SeedFigure> steps{}, tokens{}, seconds{};
  std::optional<SeedFigure> tokens_by_adamw{}, tokens_by_muon{};
  std::optional<double> final_loss{};  // Lowest over seeds.
  std::vector<std::string> trials{};   // One sentence per tuning run.
};

struct TargetContest {
  double target = 0;  // Nats per token.
  bool is_complete = true;
  std::string setting{};  // Model, batch and text in a sentence.
  machine::Machine machine{};
  std::vector<TargetRule> rules{};
  std::vector<std::string> verdicts{};  // A sentence per goal.
};

/// Errors: kCancelled for a contest that was stopped before it had a target.
Result<TargetContest> target_contest(const work::OptimizerContestJob& job,
                                     const work::OptimizerContest& outcome);

/// Setting, target and machine.
std::string target_headline(const TargetContest& contest);
/// A row per rule under a row of heads. Spread is "mean (lowest to highest)".
std::vector<std::vector<std::string>> target_table(const TargetContest& contest);

/// Validation loss over tokens: per rule the mean of its seeds, each seed behind it, a band from
/// the lowest to the highest, and the target as a line. Losses over a nat above the target are left
/// out, because there all rules look alike.
Chart target_chart(const TargetContest& contest);

/// A whole page. `made_at` stands in the head, as it is.
std::string target_page(const TargetContest& contest, const std::string& made_at);

}  // namespace panal::report
