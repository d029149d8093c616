#include "report/target_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/analysis.h"
#include "report/detail/page_parts.h"
#include "report/detail/pages.h"
#include "report/detail/template.h"

namespace panal::report {
namespace {

constexpr double kShownNats = 1.0;  // Over the target.
constexpr std::size_t kTargetColour = 7;

TargetSeed seed_of(const work::SeedRun& run) {
  TargetSeed seed{.has_reached = run.tokens.has_value()};
  for (const auto& [step, tokens, seconds, loss] : run.curve) {
    seed.curve.push_back({.step = step, .tokens = tokens, .loss = loss});
  }
  return seed;
}

std::string settings_of(const work::RuleSettings& settings) {
  std::string text = fmt::format("learning rate {:.4g}, embedding {:.4g}", settings.learning_rate,
                                 settings.embedding_learning_rate);
  if (settings.extrapolation)
    text += fmt::format(", extrapolation {:.4g}", *settings.extrapolation);
  return text;
}

std::string trial_of(const std::string& rule, const work::RuleTrial& trial) {
  std::string end = "not reached";
  if (trial.tokens) {
    end = short_number(*trial.tokens) + " tokens";
  } else if (trial.has_diverged) {
    end = "diverged";
  } else if (trial.was_cut_short) {
    end = "ended, because it could not be the best any more";
  }
  return fmt::format("{}, {}: {}", rule, settings_of(trial.settings), end);
}

TargetRule rule_of(const work::RuleFigures& figures) {
  TargetRule rule{.name = figures.rule,
                  .learning_rate = figures.settings.learning_rate,
                  .embedding_learning_rate = figures.settings.embedding_learning_rate,
                  .extrapolation = figures.settings.extrapolation,
                  .steps = figures.steps,
                  .tokens = figures.tokens,
                  .seconds = figures.seconds,
                  .tokens_by_adamw = figures.tokens_by_adamw,
                  .tokens_by_muon = figures.tokens_by_muon};
  for (const work::SeedRun& run : figures.seeds) {
    rule.seeds.push_back(seed_of(run));
    if (!run.final_loss) continue;
    rule.final_loss = std::min(rule.final_loss.value_or(*run.final_loss), *run.final_loss);
  }
  for (const work::RuleTrial& trial : figures.trials)
    rule.trials.push_back(trial_of(rule.name, trial));
  return rule;
}

using Format = std::string (*)(double);
std::string whole(double value) { return fmt::format("{:.0f}", value); }
std::string thousandths(double value) { return fmt::format("{:.3f}", value); }

std::string shown(const std::optional<SeedFigure>& figure, Format format) {
  if (!figure) return "unknown";
  return fmt::format("{} ({} to {})", format(figure->mean), format(figure->low),
                     format(figure->high));
}

// Loss by tokens over the seeds that were evaluated there: evaluations come at equal steps.
std::map<double, std::vector<double>> losses_by_tokens(const TargetRule& rule, double highest) {
  std::map<double, std::vector<double>> losses;
  for (const TargetSeed& seed : rule.seeds) {
    for (const auto& point : seed.curve) losses[point.tokens].push_back(point.loss);
  }
  std::erase_if(losses, [&](const auto& entry) {
    return std::ranges::max(entry.second) > highest || entry.second.size() < rule.seeds.size();
  });
  return losses;
}

void add_rule(const TargetRule& rule, int colour, double highest, Chart& chart) {
  Series mean{.name = rule.name, .colour = colour};
  Band band{.colour = colour};
  for (const auto& [tokens, losses] : losses_by_tokens(rule, highest)) {
    double sum = 0;
    for (const double loss : losses) sum += loss;
    mean.points.push_back({tokens, sum / static_cast<double>(losses.size())});
    band.edges.push_back({tokens, std::ranges::min(losses), std::ranges::max(losses)});
  }
  for (const TargetSeed& seed : rule.seeds) {
    Series single{
        .name = rule.name, .colour = colour, .look = Series::Look::kFaint, .is_in_legend = false};
    for (const auto& point : seed.curve) {
      if (point.loss <= highest) single.points.push_back({point.tokens, point.loss});
    }
    chart.series.push_back(std::move(single));
  }
  chart.bands.push_back(std::move(band));
  chart.series.push_back(std::move(mean));
}

// "mean (low to high)" breaks before its bracket alone.
Json cell_values(const std::string& text, bool is_name) {
  const std::size_t bracket = text.find(" (");
  const bool has_range = bracket != std::string::npos;
  return Json{{"text", text.substr(0, bracket)},
              {"range", has_range ? text.substr(bracket + 1) : std::string()},
              {"is_name", is_name}};
}

Json rule_values(const std::vector<std::string>& row, std::size_t colour) {
  Json cells = Json::array();
  for (const std::string& text : row) cells.push_back(cell_values(text, cells.empty()));
  return Json{{"colour", colour}, {"cells", std::move(cells)}};
}

}  // namespace

Result<TargetContest> target_contest(const work::OptimizerContestJob& job,
                                     const work::OptimizerContest& outcome) {
  if (!outcome.target) return Status(Code::kCancelled, "stopped before there was a target");
  TargetContest contest{.target = *outcome.target,
                        .is_complete = outcome.status == work::RunStatus::kCompleted,
                        .machine = outcome.machine};
  contest.setting = fmt::format(
      "LLaMA {} x {}, {} parameters, vocabulary {}, {} x {} tokens a step, {}, {} tokens of text",
      job.layers, job.width, short_number(static_cast<double>(outcome.parameters)),
      outcome.vocabulary_size, job.sequences, job.context_length, job.precision,
      short_number(static_cast<double>(outcome.training_tokens)));
  for (const work::RuleFigures& figures : outcome.rules) contest.rules.push_back(rule_of(figures));
  for (const work::RuleGoal& goal : outcome.goals) contest.verdicts.push_back(goal.verdict);
  return contest;
}

std::string target_headline(const TargetContest& contest) {
  return fmt::format("{}: to {:.4f} nats per token of held-out text, on {}{}", contest.setting,
                     contest.target, machine::machine_label(contest.machine),
                     contest.is_complete ? "" : "; stopped before the end");
}

std::vector<std::vector<std::string>> target_table(const TargetContest& contest) {
  std::vector<std::vector<std::string>> rows = {{"rule", "learning rate", "embedding's",
                                                 "extrapolation", "seeds", "steps", "tokens",
                                                 "seconds", "by adamw", "by muon"}};
  for (const TargetRule& rule : contest.rules) {
    const auto reached = std::ranges::count_if(rule.seeds, &TargetSeed::has_reached);
    const auto figure = [&](const std::optional<SeedFigure>& value, Format format) {
      return reached > 0 ? shown(value, format) : std::string();
    };
    const std::string not_reached =
        rule.final_loss ? fmt::format("not reached, at best {:.3f}", *rule.final_loss)
                        : std::string("not measured");
    // What no run was made with is no setting.
    const auto setting = [&](double value) {
      return rule.seeds.empty() ? std::string() : fmt::format("{:.4g}", value);
    };
    rows.push_back({rule.name, setting(rule.learning_rate), setting(rule.embedding_learning_rate),
                    rule.extrapolation ? setting(*rule.extrapolation) : "",
                    fmt::format("{} of {}", reached, rule.seeds.size()),
                    reached > 0 ? shown(rule.steps, whole) : not_reached,
                    figure(rule.tokens, short_number), figure(rule.seconds, whole),
                    figure(rule.tokens_by_adamw, thousandths),
                    figure(rule.tokens_by_muon, thousandths)});
  }
  return rows;
}

Chart target_chart(const TargetContest& contest) {
  Chart chart{.title = fmt::format("Validation loss on the way to {:.3f} (band: lowest to highest "
                                   "of the seeds)",
                                   contest.target),
              .x_label = "tokens",
              .y_label = "loss, nats per token",
              .width = 1100,
              .height = 480};
  double most_tokens = 0;
  for (std::size_t i = 0; i < contest.rules.size(); ++i) {
    add_rule(contest.rules[i], static_cast<int>(i % kTargetColour), contest.target + kShownNats,
             chart);
    for (const TargetSeed& seed : contest.rules[i].seeds) {
      for (const auto& point : seed.curve) most_tokens = std::max(most_tokens, point.tokens);
    }
  }
  chart.series.push_back(
      {.name = "target",
       .colour = static_cast<int>(kTargetColour),
       .look = Series::Look::kDashed,
       .points = {{0, contest.target}, {std::max(1.0, most_tokens), contest.target}}});
  return chart;
}

std::string target_page(const TargetContest& contest, const std::string& made_at) {
  std::vector<std::string> trials;
  for (const TargetRule& rule : contest.rules) {
    trials.insert(trials.end(), rule.trials.begin(), rule.trials.end());
  }
  const auto table = target_table(contest);
  Json rules = Json::array();
  for (std::size_t i = 1; i < table.size(); ++i)
    rules.push_back(rule_values(table[i], (i - 1) % kTargetColour));
  const Json values = {{"headline", target_headline(contest)},
                       {"charts", {detail::chart_values(target_chart(contest), true)}},
                       {"heads", table.front()},
                       {"rules", std::move(rules)},
                       {"goals", contest.verdicts},
                       {"trials", std::move(trials)}};
  return detail::page_of("Update rules to a target loss", "panal bench optim, " + made_at,
                         detail::filled(pages::kRulesHtml, values));
}

}  // namespace panal::report
