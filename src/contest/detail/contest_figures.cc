#include "contest/detail/contest_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

namespace panal::contest::detail {
namespace {

struct Goal {
  std::string_view rule, than;
  double ratio;  // Of tokens, at most.
};
// What the makers of the rules claim, as far as panal wants to see it for itself.
constexpr Goal kGoals[] = {{"muon", "adamw", 0.75},
                           {"transported_scion", "muon", 0.95},
                           {"ema_nesterov_muon", "muon", 0.95}};

const RuleOutcome* find_outcome(const std::vector<RuleOutcome>& outcomes, std::string_view name) {
  const auto found = std::ranges::find_if(
      outcomes, [&](const auto& outcome) { return outcome.contender->name == name; });
  return found == outcomes.end() ? nullptr : &*found;
}

std::optional<work::SeedFigure> figure_of(const std::optional<SeedSpread>& spread) {
  if (!spread) return std::nullopt;
  return work::SeedFigure{spread->mean, spread->low, spread->high};
}

std::optional<work::SeedFigure> ratio_to(const std::vector<RuleOutcome>& outcomes,
                                         const RuleOutcome& outcome, std::string_view than) {
  const RuleOutcome* other = find_outcome(outcomes, than);
  if (other == nullptr) return std::nullopt;
  return figure_of(token_ratio(outcome.crossings(), other->crossings()));
}

std::optional<work::SeedFigure> figure_of(const RuleOutcome& outcome, double Crossing::*member) {
  std::vector<double> values;
  for (const auto& crossing : outcome.crossings()) {
    if (crossing) values.push_back((*crossing).*member);
  }
  return figure_of(seed_spread(values));
}

work::RuleSettings settings_of(const RuleOutcome& outcome, const RuleSettings& settings) {
  work::RuleSettings told{settings.learning_rate, settings.embedding_learning_rate};
  if (outcome.contender->is_accelerated()) told.extrapolation = settings.extrapolation;
  return told;
}

std::optional<double> last_loss(const TargetRun& run) {
  return run.curve.empty() ? std::nullopt : std::optional(final_loss(run.curve));
}

work::RuleTrial trial_of(const RuleOutcome& outcome, const Trial& trial) {
  work::RuleTrial told{.settings = settings_of(outcome, trial.settings),
                       .final_loss = last_loss(trial.run),
                       .was_cut_short = trial.was_cut_short,
                       .has_diverged = trial.run.has_diverged};
  if (trial.run.reached) told.tokens = trial.run.reached->tokens;
  return told;
}

work::SeedRun seed_run(const TargetRun& run) {
  work::SeedRun told{.seed = static_cast<std::int64_t>(run.seed),
                     .final_loss = last_loss(run),
                     .has_diverged = run.has_diverged};
  if (run.reached) {
    told.steps = run.reached->steps;
    told.tokens = run.reached->tokens;
    told.seconds = run.reached->seconds;
  }
  for (const train::LossReading& reading : run.curve) {
    told.curve.push_back({static_cast<double>(reading.step), static_cast<double>(reading.tokens),
                          reading.seconds, reading.loss});
  }
  return told;
}

work::RuleFigures figures_of(const std::vector<RuleOutcome>& outcomes, const RuleOutcome& outcome) {
  work::RuleFigures told{
      .rule = std::string(outcome.contender->name),
      .settings = settings_of(outcome, outcome.settings),
      .is_complete = outcome.is_complete,
      .num_reached = std::ranges::count_if(
          outcome.runs, [](const TargetRun& run) { return run.reached.has_value(); }),
      .steps = figure_of(outcome, &Crossing::steps),
      .tokens = figure_of(outcome, &Crossing::tokens),
      .seconds = figure_of(outcome, &Crossing::seconds),
      .tokens_by_adamw = ratio_to(outcomes, outcome, "adamw"),
      .tokens_by_muon = ratio_to(outcomes, outcome, "muon")};
  for (const Trial& trial : outcome.trials) told.trials.push_back(trial_of(outcome, trial));
  for (const TargetRun& run : outcome.runs) told.seeds.push_back(seed_run(run));
  return told;
}

work::RuleGoal goal_of(const Goal& goal, const RuleOutcome& ours, const RuleOutcome& theirs) {
  const auto mine = ours.crossings(), other = theirs.crossings();
  const auto ratio = token_ratio(mine, other);
  const auto reached = [](const auto& crossings) {
    return std::ranges::all_of(crossings, [](const auto& one) { return one.has_value(); });
  };
  const bool is_known = ratio && ours.is_complete && theirs.is_complete && reached(other);
  // A seed that never gets there is no saving, whatever the others say.
  const bool is_met = is_known && reached(mine) && ratio->mean <= goal.ratio;
  std::optional<bool> met = is_known ? std::optional(is_met) : std::nullopt;
  if (ours.is_complete && theirs.is_complete && reached(other) && !reached(mine)) met = false;
  std::string verdict =
      fmt::format("{} needs at most {:.2f} of {}'s tokens: ", goal.rule, goal.ratio, goal.than);
  if (!ours.is_complete || !theirs.is_complete) {
    verdict += "not measured to the end";
  } else if (!reached(other)) {
    verdict += fmt::format("unknown, {} did not reach the target on every seed", goal.than);
  } else if (!reached(mine)) {
    verdict += fmt::format("not met, {} did not reach the target on every seed", goal.rule);
  } else {
    verdict +=
        fmt::format("{}, found {:.3f} ({:.3f} to {:.3f} over {} seeds)", is_met ? "met" : "not met",
                    ratio->mean, ratio->low, ratio->high, mine.size());
  }
  return {.rule = std::string(goal.rule),
          .than = std::string(goal.than),
          .goal = goal.ratio,
          .ratio = figure_of(ratio),
          .is_met = met,
          .verdict = verdict};
}

}  // namespace

std::vector<work::RuleFigures> rule_figures(const std::vector<RuleOutcome>& outcomes) {
  std::vector<work::RuleFigures> figures;
  for (const RuleOutcome& outcome : outcomes) figures.push_back(figures_of(outcomes, outcome));
  return figures;
}

std::vector<work::RuleGoal> rule_goals(const std::vector<RuleOutcome>& outcomes) {
  std::vector<work::RuleGoal> goals;
  for (const Goal& goal : kGoals) {
    const RuleOutcome* ours = find_outcome(outcomes, goal.rule);
    const RuleOutcome* theirs = find_outcome(outcomes, goal.than);
    if (ours != nullptr && theirs != nullptr) goals.push_back(goal_of(goal, *ours, *theirs));
  }
  return goals;
}

}  // namespace panal::contest::detail
