#include "contest/optimizer_benchmark.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "contest/detail/contest.h"
#include "contest/detail/contest_figures.h"
#include "train/probes.h"

namespace panal::contest {
namespace {

using detail::Contender;

Status refuse(std::string message) { return Status(Code::kInvalidArgument, std::move(message)); }

// The rules asked for, kin before those that are changes of them.
Result<std::vector<const Contender*>> chosen_rules(const std::vector<std::string>& names) {
  std::vector<const Contender*> chosen;
  for (const std::string& name : names) {
    if (detail::find_contender(name) == nullptr) {
      return refuse(fmt::format("a rule must be one of {}, found \"{}\"",
                                fmt::join(detail::contender_names(), ", "), name));
    }
  }
  for (const Contender& contender : detail::contenders()) {
    if (names.empty() || std::ranges::find(names, contender.name) != names.end()) {
      chosen.push_back(&contender);
    }
  }
  return chosen;
}

Status check_values(const std::map<std::string, std::vector<double>>& values,
                    std::string_view what) {
  for (const auto& [rule, list] : values) {
    const Contender* contender = detail::find_contender(rule);
    if (contender == nullptr) {
      return refuse(fmt::format("{} must be for one of {}, found \"{}\"", what,
                                fmt::join(detail::contender_names(), ", "), rule));
    }
    if (what == "extrapolations" && !contender->is_accelerated()) {
      return refuse(fmt::format("{} has no extrapolation", rule));
    }
    if (what == "extrapolations" && !list.empty() && list.back() > contender->most_extrapolation) {
      return refuse(fmt::format("the extrapolation of {} must be at most {}, found {}", rule,
                                contender->most_extrapolation, list.back()));
    }
    const bool are_over_zero =
        std::ranges::all_of(list, [](double x) { return std::isfinite(x) && x > 0; });
    if (list.empty() || !are_over_zero ||
        std::ranges::adjacent_find(list, std::greater_equal()) != list.end()) {
      return refuse(fmt::format("{} of {} must be numbers over 0, ascending, found {}", what, rule,
                                fmt::join(list, ", ")));
    }
  }
  return Status();
}

Status check(const OptimizerBenchmarkOptions& options) {
  if (options.data.empty()) return refuse("optimizers must have text to learn, found no data");
  PANAL_TRY(recipe::validate(options.model));
  const std::pair<std::string_view, std::int64_t> sizes[] = {
      {"seeds", options.seeds},
      {"sequences per step", options.sequences},
      {"warm-up steps", options.warmup_steps},
      {"steps between evaluations", options.evaluation_every}};
  for (const auto& [name, value] : sizes) {
    if (value < 1) return refuse(fmt::format("{} must be at least 1, found {}", name, value));
  }
  if (options.evaluation_tokens < 2) {
    return refuse(fmt::format("evaluation tokens must be at least 2 to score one, found {}",
                              options.evaluation_tokens));
  }
  // The crossing needs readings on both sides.
  const std::int64_t fewest = std::max(options.warmup_steps + 1, 3 * options.evaluation_every);
  if (options.most_steps < fewest) {
    return refuse(fmt::format(
        "the most steps must be at least {} (past the warm-up, with three evaluations), found {}",
        fewest, options.most_steps));
  }
  const double ignorant = std::log(static_cast<double>(options.model.vocabulary_size));
  if (options.target && !(*options.target > 0 && *options.target < ignorant)) {
    return refuse(fmt::format(
        "the target must be over 0 and below the {:.3f} nats per token of a model of {} tokens "
        "that knows nothing, found {}",
        ignorant, options.model.vocabulary_size, *options.target));
  }
  PANAL_TRY(check_values(options.learning_rates, "learning rates"));
  PANAL_TRY(check_values(options.embedding_learning_rates, "embedding learning rates"));
  return check_values(options.extrapolations, "extrapolations");
}

recipe::RunConfig config_of(const OptimizerBenchmarkOptions& options) {
  recipe::RunConfig config;
  config.precision = options.precision;
  config.model.dimensions = options.model;
  config.tokenizer.vocabulary_size = options.model.vocabulary_size;
  config.data.paths = options.data;
  config.batch = {.sequences = options.sequences, .context = options.model.context_length};
  config.schedule.shape = recipe::ScheduleShape::kConstant;
  config.schedule.warmup_steps = options.warmup_steps;
  config.evaluation.every_steps = options.evaluation_every;
  return config;
}

}  // namespace

std::vector<std::string> optimizer_benchmark_rules() { return detail::contender_names(); }

Result<work::OptimizerContest> benchmark_optimizers(const OptimizerBenchmarkOptions& options,
                                                    const Clock& clock, train::RunEvents& events,
                                                    std::stop_token stop) {
  PANAL_ASSIGN(const auto rules, chosen_rules(options.rules));
  PANAL_TRY(check(options));
  PANAL_ASSIGN(const train::TrialRuns trials,
               train::TrialRuns::prepare(config_of(options), options.folder,
                                         options.evaluation_tokens, events, stop));
  const std::int64_t tokens_per_step = options.sequences * options.model.context_length;
  const std::int64_t tokens_at_hand = trials.training_tokens();
  if (tokens_per_step * options.most_steps > tokens_at_hand) {
    events.on_message(
        fmt::format("{} steps take {} tokens, the text has {}: later steps see text again",
                    options.most_steps, tokens_per_step * options.most_steps, tokens_at_hand));
  }
  detail::Contest contest(options, trials, clock, events, stop);
  const Status status = contest.run(rules);
  if (!status.ok() && status.code() != Code::kCancelled) return status;
  return work::OptimizerContest{
      .status = status.ok() ? work::RunStatus::kCompleted : work::RunStatus::kStopped,
      .target = contest.target(),
      .target_is_automatic = !options.target.has_value(),
      .vocabulary_size = trials.model().vocabulary_size,
      .parameters = trials.model().num_parameters(),
      .tokens_per_step = tokens_per_step,
      .training_tokens = tokens_at_hand,
      .validation_tokens = trials.validation_tokens(),
      .dataset_sha256 = trials.dataset_sha256(),
      .machine = train::describe_machine(options.precision),
      .rules = detail::rule_figures(contest.outcomes()),
      .goals = detail::rule_goals(contest.outcomes())};
}

}  // namespace panal::contest
