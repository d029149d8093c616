#include "contest/detail/contest_json.h"

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

Json spread_json(const std::optional<SeedSpread>& spread) {
  if (!spread) return nullptr;
  return {{"mean", spread->mean}, {"low", spread->low}, {"high", spread->high}};
}

Json ratio_json(const std::vector<RuleOutcome>& outcomes, const RuleOutcome& outcome,
                std::string_view than) {
  const RuleOutcome* other = find_outcome(outcomes, than);
  if (other == nullptr) return nullptr;
  return spread_json(token_ratio(outcome.crossings(), other->crossings()));
}

Json figure_json(const RuleOutcome& outcome, double Crossing::*member) {
  std::vector<double> values;
  for (const auto& crossing : outcome.crossings()) {
    if (crossing) values.push_back((*crossing).*member);
  }
  return spread_json(seed_spread(values));
}

void add_settings(const RuleOutcome& outcome, const RuleSettings& settings, Json& json) {
  json["learning_rate"] = settings.learning_rate;
  json["embedding_learning_rate"] = settings.embedding_learning_rate;
  if (outcome.contender->is_accelerated()) json["extrapolation"] = settings.extrapolation;
}

Json trial_json(const RuleOutcome& outcome, const Trial& trial) {
  Json json = Json::object();
  add_settings(outcome, trial.settings, json);
  json["tokens"] = trial.run.reached ? Json(trial.run.reached->tokens) : Json();
  json["final_loss"] = trial.run.curve.empty() ? Json() : Json(final_loss(trial.run.curve));
  json["cut_short"] = trial.was_cut_short;
  json["diverged"] = trial.run.has_diverged;
  return json;
}

Json run_json(const TargetRun& run) {
  const auto figure = [&](double Crossing::*member) {
    return run.reached ? Json((*run.reached).*member) : Json();
  };
  Json curve = Json::array();
  for (const train::LossReading& reading : run.curve) {
    curve.push_back(Json::array({reading.step, reading.tokens, reading.seconds, reading.loss}));
  }
  return {{"seed", run.seed},
          {"steps", figure(&Crossing::steps)},
          {"tokens", figure(&Crossing::tokens)},
          {"seconds", figure(&Crossing::seconds)},
          {"final_loss", run.curve.empty() ? Json() : Json(final_loss(run.curve))},
          {"diverged", run.has_diverged},
          {"curve", std::move(curve)}};
}

Json outcome_json(const std::vector<RuleOutcome>& outcomes, const RuleOutcome& outcome) {
  Json json = {{"rule", outcome.contender->name}};
  add_settings(outcome, outcome.settings, json);
  json["complete"] = outcome.is_complete;
  json["reached"] = std::ranges::count_if(
      outcome.runs, [](const TargetRun& run) { return run.reached.has_value(); });
  json["steps"] = figure_json(outcome, &Crossing::steps);
  json["tokens"] = figure_json(outcome, &Crossing::tokens);
  json["seconds"] = figure_json(outcome, &Crossing::seconds);
  json["tokens_by_adamw"] = ratio_json(outcomes, outcome, "adamw");
  json["tokens_by_muon"] = ratio_json(outcomes, outcome, "muon");
  json["trials"] = Json::array();
  for (const Trial& trial : outcome.trials) json["trials"].push_back(trial_json(outcome, trial));
  json["seeds"] = Json::array();
  for (const TargetRun& run : outcome.runs) json["seeds"].push_back(run_json(run));
  return json;
}

Json goal_json(const Goal& goal, const RuleOutcome& ours, const RuleOutcome& theirs) {
  const auto mine = ours.crossings(), other = theirs.crossings();
  const auto ratio = token_ratio(mine, other);
  const auto reached = [](const auto& crossings) {
    return std::ranges::all_of(crossings, [](const auto& one) { return one.has_value(); });
  };
  const bool is_known = ratio && ours.is_complete && theirs.is_complete && reached(other);
  // A seed that never gets there is no saving, whatever the others say.
  const bool is_met = is_known && reached(mine) && ratio->mean <= goal.ratio;
  Json met = is_known ? Json(is_met) : Json();
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
  return {{"rule", goal.rule},           {"than", goal.than},     {"goal", goal.ratio},
          {"ratio", spread_json(ratio)}, {"met", std::move(met)}, {"verdict", verdict}};
}

}  // namespace

Json outcomes_to_json(const std::vector<RuleOutcome>& outcomes) {
  Json list = Json::array();
  for (const RuleOutcome& outcome : outcomes) list.push_back(outcome_json(outcomes, outcome));
  return list;
}

Json goals_to_json(const std::vector<RuleOutcome>& outcomes) {
  Json list = Json::array();
  for (const Goal& goal : kGoals) {
    const RuleOutcome* ours = find_outcome(outcomes, goal.rule);
    const RuleOutcome* theirs = find_outcome(outcomes, goal.than);
    if (ours != nullptr && theirs != nullptr) list.push_back(goal_json(goal, *ours, *theirs));
  }
  return list;
}

}  // namespace panal::contest::detail
