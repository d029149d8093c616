// The contest itself: each rule is tuned on the first seed, then the best of it runs all seeds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "contest/detail/contenders.h"
#include "contest/detail/knob_search.h"
#include "contest/detail/target_crossing.h"
#include "contest/optimizer_benchmark.h"
#include "train/trial_runs.h"

namespace panal::contest::detail {

/// A run towards the target.
struct TargetRun : train::TrialRun {
  std::optional<Crossing> reached{};
};

struct TargetLimits {
  std::optional<double> target{};  // Nats per token. Empty: runs to its limit.
  std::int64_t most_steps = 1;
  std::uint64_t seed = 1;
};

/// A run on the first seed with some settings.
struct Trial {
  RuleSettings settings{};
  TrialCost cost{};
  bool was_cut_short = false;  // It could not be the best any more.
  TargetRun run{};
};

struct RuleOutcome {
  const Contender* contender = nullptr;  // One of contenders().
  RuleSettings settings{};               // The best ones found.
  std::vector<Trial> trials{};           // In their order.
  std::vector<TargetRun> runs{};         // With the best settings, one per seed from seed 1 on.
  bool is_complete = false;              // False when it was stopped before the last seed.
  std::vector<std::optional<Crossing>> crossings() const;
};

class Contest {
 public:
  Contest(const OptimizerBenchmarkOptions& options, const train::TrialRuns& trials,
          const Clock& clock, train::RunEvents& events, std::stop_token stop);

  /// Sets the target where the options have none, then runs all rules. kCancelled leaves the
  /// outcomes so far.
  Status run(const std::vector<const Contender*>& rules);

  std::optional<double> target() const { return target_; }
  const std::vector<RuleOutcome>& outcomes() const { return outcomes_; }

 private:
  Status find_target(const Contender& first);
  Status tune(RuleOutcome& outcome);
  Status run_seeds(RuleOutcome& outcome);
  Result<TrialCost> trial_cost(RuleOutcome& outcome, const RuleSettings& settings);
  Result<TargetRun> run_once(const Contender& contender, const RuleSettings& settings,
                             const TargetLimits& limits);
  const RuleOutcome* kin_of(const Contender& contender) const;
  std::vector<double> learning_rates_of(const Contender& contender) const;
  std::vector<double> embedding_learning_rates_of(const Contender& contender) const;
  std::vector<double> extrapolations_of(const Contender& contender) const;

  const OptimizerBenchmarkOptions& options_;
  const train::TrialRuns& trials_;
  const Clock& clock_;
  train::RunEvents& events_;
  const std::stop_token stop_;
  std::optional<double> target_;
  std::vector<RuleOutcome> outcomes_;
};

}  // namespace panal::contest::detail
