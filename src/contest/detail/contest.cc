#include "contest/detail/contest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace panal::contest::detail {
namespace {

constexpr int kMostRounds = 2;  // Over all settings of a rule.

double middle(const std::vector<double>& values) { return values[(values.size() - 1) / 2]; }

std::string described(const Contender& contender, const RuleSettings& settings) {
  std::string text = fmt::format("{} learning rate {:.4g}, embedding {:.4g}", contender.name,
                                 settings.learning_rate, settings.embedding_learning_rate);
  if (contender.is_accelerated()) {
    text += fmt::format(", extrapolation {:.4g}", settings.extrapolation);
  }
  return text;
}

std::string described(const TargetRun& run) {
  if (run.reached) {
    return fmt::format("target after {:.0f} steps, {:.3f} M tokens, {:.1f} s", run.reached->steps,
                       run.reached->tokens / 1e6, run.reached->seconds);
  }
  if (run.curve.empty()) return "diverged at once";
  return fmt::format("{} {:.3f} after {} steps", run.has_diverged ? "diverged from loss" : "loss",
                     final_loss(run.curve), run.curve.back().step);
}

std::vector<double> given_or(const std::map<std::string, std::vector<double>>& given,
                             std::string_view rule, std::vector<double> usual) {
  const auto found = given.find(std::string(rule));
  return found == given.end() ? std::move(usual) : found->second;
}

}  // namespace

std::vector<std::optional<Crossing>> RuleOutcome::crossings() const {
  std::vector<std::optional<Crossing>> all;
  for (const TargetRun& run : runs) all.push_back(run.reached);
  return all;
}

Contest::Contest(const OptimizerBenchmarkOptions& options, const train::TrialRuns& trials,
                 const Clock& clock, train::RunEvents& events, std::stop_token stop)
    : options_(options),
      trials_(trials),
      clock_(clock),
      events_(events),
      stop_(std::move(stop)),
      target_(options.target) {}

Status Contest::run(const std::vector<const Contender*>& rules) {
  if (!target_) PANAL_TRY(find_target(*rules.front()));
  for (const Contender* contender : rules) {
    outcomes_.push_back({.contender = contender});
    PANAL_TRY(tune(outcomes_.back()));
    PANAL_TRY(run_seeds(outcomes_.back()));
  }
  return Status();
}

const RuleOutcome* Contest::kin_of(const Contender& contender) const {
  const auto found = std::ranges::find_if(
      outcomes_, [&](const auto& outcome) { return outcome.contender->name == contender.kin; });
  return found == outcomes_.end() ? nullptr : &*found;
}

std::vector<double> Contest::learning_rates_of(const Contender& contender) const {
  std::vector<double> usual = contender.learning_rates;
  if (const RuleOutcome* kin = kin_of(contender)) {
    const double rate = kin->settings.learning_rate * contender.rate_of_kin;
    usual = {rate / 2, rate, rate * 2};
  }
  return given_or(options_.learning_rates, contender.name, std::move(usual));
}

std::vector<double> Contest::embedding_learning_rates_of(const Contender& contender) const {
  std::vector<double> usual = embedding_learning_rates();
  if (const RuleOutcome* kin = kin_of(contender)) usual = {kin->settings.embedding_learning_rate};
  return given_or(options_.embedding_learning_rates, contender.name, std::move(usual));
}

std::vector<double> Contest::extrapolations_of(const Contender& contender) const {
  if (!contender.is_accelerated()) return {};
  return given_or(options_.extrapolations, contender.name, contender.extrapolations);
}

// Half of the steps leaves every rule room, also with learning rates that are off.
Status Contest::find_target(const Contender& first) {
  const RuleSettings settings{
      .learning_rate = middle(learning_rates_of(first)),
      .embedding_learning_rate = middle(embedding_learning_rates_of(first)),
      .extrapolation = first.is_accelerated() ? middle(extrapolations_of(first)) : 0.0};
  PANAL_ASSIGN(const TargetRun run,
               run_once(first, settings,
                        {.most_steps = std::max(options_.most_steps / 2, options_.warmup_steps)}));
  if (run.has_diverged || run.curve.empty()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("no target was given, and the run that was to find one diverged: {}",
                              described(first, settings)));
  }
  target_ = final_loss(run.curve);
  events_.on_message(fmt::format("target: {:.4f} nats per token", *target_));
  return Status();
}

Result<TargetRun> Contest::run_once(const Contender& contender, const RuleSettings& settings,
                                    const TargetLimits& limits) {
  const auto reached = [&](std::span<const train::LossReading> curve) {
    return limits.target ? crossing(curve, *limits.target) : std::nullopt;
  };
  PANAL_ASSIGN(
      train::TrialRun traced,
      trials_.run(optimizer_of(contender, settings, options_.warmup_steps),
                  {.most_steps = limits.most_steps,
                   .seed = limits.seed,
                   .is_enough = [&](const auto& curve) { return reached(curve).has_value(); }},
                  clock_, events_, stop_));
  TargetRun run{std::move(traced)};
  run.reached = reached(run.curve);
  events_.on_message(
      fmt::format("{}, seed {}: {}", described(contender, settings), limits.seed, described(run)));
  return run;
}

Result<TrialCost> Contest::trial_cost(RuleOutcome& outcome, const RuleSettings& settings) {
  if (settings.extrapolation > outcome.contender->most_extrapolation) return TrialCost{};
  double fewest_steps = std::numeric_limits<double>::infinity();
  for (const Trial& trial : outcome.trials) {
    if (trial.settings.is_same(settings)) return trial.cost;
    if (trial.run.reached) fewest_steps = std::min(fewest_steps, trial.run.reached->steps);
  }
  // A crossing shows one evaluation late.
  const double useful = fewest_steps + static_cast<double>(2 * options_.evaluation_every);
  const bool is_cut = useful < static_cast<double>(options_.most_steps);
  Trial trial{.settings = settings};
  PANAL_ASSIGN(trial.run,
               run_once(*outcome.contender, settings,
                        {.target = target_,
                         .most_steps = is_cut ? std::llround(useful) : options_.most_steps}));
  trial.was_cut_short = is_cut && !trial.run.reached;
  if (trial.run.reached) trial.cost.tokens = trial.run.reached->tokens;
  if (!trial.run.has_diverged) trial.cost.loss = final_loss(trial.run.curve);
  outcome.trials.push_back(std::move(trial));
  return outcome.trials.back().cost;
}

Status Contest::tune(RuleOutcome& outcome) {
  const Contender& contender = *outcome.contender;
  struct Knob {
    double RuleSettings::*member;
    std::vector<double> values;
  };
  std::vector<Knob> knobs = {
      {&RuleSettings::learning_rate, learning_rates_of(contender)},
      {&RuleSettings::embedding_learning_rate, embedding_learning_rates_of(contender)}};
  if (contender.is_accelerated()) {
    knobs.push_back({&RuleSettings::extrapolation, extrapolations_of(contender)});
  }
  RuleSettings best;
  for (const Knob& knob : knobs) best.*knob.member = middle(knob.values);
  for (int round = 0; round < kMostRounds; ++round) {
    const RuleSettings before = best;
    for (Knob& knob : knobs) {
      // From the second round on, the neighbours of the best value.
      if (round > 0 && knob.values.size() > 1) {
        const double factor = knob.values[1] / knob.values[0];
        knob.values = {best.*knob.member / factor, best.*knob.member, best.*knob.member * factor};
      }
      PANAL_ASSIGN(const KnobChoice choice, search_knob(knob.values, [&](double value) {
                     RuleSettings settings = best;
                     settings.*knob.member = value;
                     return trial_cost(outcome, settings);
                   }));
      best.*knob.member = choice.value;
      outcome.settings = best;
    }
    if (best.is_same(before)) break;
  }
  return Status();
}

Status Contest::run_seeds(RuleOutcome& outcome) {
  const auto tuned = std::ranges::find_if(
      outcome.trials, [&](const Trial& trial) { return trial.settings.is_same(outcome.settings); });
  outcome.runs.push_back(tuned->run);
  for (std::int64_t seed = 2; seed <= options_.seeds; ++seed) {
    PANAL_ASSIGN(TargetRun run, run_once(*outcome.contender, outcome.settings,
                                         {.target = target_,
                                          .most_steps = options_.most_steps,
                                          .seed = static_cast<std::uint64_t>(seed)}));
    outcome.runs.push_back(std::move(run));
  }
  outcome.is_complete = true;
  return Status();
}

}  // namespace panal::contest::detail
