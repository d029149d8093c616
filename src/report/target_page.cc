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
constexpr double kHuge = 1e300;
constexpr std::size_t kTargetColour = 7;

Result<std::vector<Json>> list_of(const Json& object, const char* key) {
  if (!object.contains(key) || !object.at(key).is_array()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("optimizer benchmark: \"{}\" must be a list", key));
  }
  return object.at(key).get<std::vector<Json>>();
}

Result<std::optional<SeedFigure>> figure_of(const Json& object, const char* key) {
  if (!json_has(object, key)) return std::optional<SeedFigure>();
  SeedFigure figure;
  PANAL_ASSIGN(figure.mean, json_number(object.at(key), "mean", key, -kHuge, kHuge));
  PANAL_ASSIGN(figure.low, json_number(object.at(key), "low", key, -kHuge, kHuge));
  PANAL_ASSIGN(figure.high, json_number(object.at(key), "high", key, -kHuge, kHuge));
  return std::optional<SeedFigure>(figure);
}

Result<TargetSeed> seed_of(const Json& json) {
  TargetSeed seed{.has_reached = json_has(json, "tokens")};
  PANAL_ASSIGN(const std::vector<Json> curve, list_of(json, "curve"));
  for (const Json& point : curve) {
    const bool is_point = point.is_array() && point.size() == 4 &&
                          std::ranges::all_of(point, [](const Json& x) { return x.is_number(); });
    if (!is_point) {
      return Status(Code::kInvalidArgument,
                    "optimizer benchmark: a point of a curve must be [steps, tokens, seconds, "
                    "loss], found " +
                        json_shown(point));
    }
    seed.curve.push_back({.step = point[0].get<double>(),
                          .tokens = point[1].get<double>(),
                          .loss = point[3].get<double>()});
  }
  return seed;
}

std::string settings_of(const Json& json) {
  std::string text =
      fmt::format("learning rate {:.4g}, embedding {:.4g}", json.value("learning_rate", 0.0),
                  json.value("embedding_learning_rate", 0.0));
  if (json_has(json, "extrapolation")) {
    text += fmt::format(", extrapolation {:.4g}", json.at("extrapolation").get<double>());
  }
  return text;
}

std::string trial_of(const std::string& rule, const Json& json) {
  std::string end = "not reached";
  if (json_has(json, "tokens")) {
    end = short_number(json.at("tokens").get<double>()) + " tokens";
  } else if (json.value("diverged", false)) {
    end = "diverged";
  } else if (json.value("cut_short", false)) {
    end = "ended, because it could not be the best any more";
  }
  return fmt::format("{}, {}: {}", rule, settings_of(json), end);
}

Result<TargetRule> rule_of(const Json& json) {
  TargetRule rule;
  PANAL_ASSIGN(rule.name, json_string(json, "rule", "rules"));
  PANAL_ASSIGN(rule.learning_rate, json_number(json, "learning_rate", rule.name, 0, kHuge));
  PANAL_ASSIGN(rule.embedding_learning_rate,
               json_number(json, "embedding_learning_rate", rule.name, 0, kHuge));
  if (json_has(json, "extrapolation")) {
    PANAL_ASSIGN(rule.extrapolation, json_number(json, "extrapolation", rule.name, 0, kHuge));
  }
  PANAL_ASSIGN(rule.steps, figure_of(json, "steps"));
  PANAL_ASSIGN(rule.tokens, figure_of(json, "tokens"));
  PANAL_ASSIGN(rule.seconds, figure_of(json, "seconds"));
  PANAL_ASSIGN(rule.tokens_by_adamw, figure_of(json, "tokens_by_adamw"));
  PANAL_ASSIGN(rule.tokens_by_muon, figure_of(json, "tokens_by_muon"));
  PANAL_ASSIGN(const std::vector<Json> seeds, list_of(json, "seeds"));
  for (const Json& seed : seeds) {
    PANAL_ASSIGN(TargetSeed read, seed_of(seed));
    rule.seeds.push_back(std::move(read));
    if (!json_has(seed, "final_loss")) continue;
    PANAL_ASSIGN(const double loss, json_number(seed, "final_loss", rule.name, 0, kHuge));
    rule.final_loss = std::min(rule.final_loss.value_or(loss), loss);
  }
  PANAL_ASSIGN(const std::vector<Json> trials, list_of(json, "trials"));
  for (const Json& trial : trials) rule.trials.push_back(trial_of(rule.name, trial));
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

Result<TargetContest> target_contest_from_json(const Json& document) {
  TargetContest contest;
  if (!json_has(document, "target")) {
    return Status(Code::kCancelled, "stopped before there was a target");
  }
  PANAL_ASSIGN(contest.target, json_number(document, "target", "optimizer benchmark", 0, kHuge));
  PANAL_ASSIGN(const std::string status, json_string(document, "status", "optimizer benchmark"));
  contest.is_complete = status == "completed";
  if (json_has(document, "machine")) {
    PANAL_ASSIGN(contest.machine, machine::machine_from_json(document.at("machine"), "machine"));
  }
  contest.setting = fmt::format(
      "LLaMA {} x {}, {} parameters, vocabulary {}, {} x {} tokens a step, {}, {} tokens of text",
      document.value("layers", 0), document.value("width", 0),
      short_number(document.value("parameters", 0.0)), document.value("vocabulary", 0),
      document.value("batch", 0), document.value("context", 0), document.value("precision", ""),
      short_number(document.value("training_tokens", 0.0)));
  PANAL_ASSIGN(const std::vector<Json> rules, list_of(document, "rules"));
  for (const Json& rule : rules) {
    PANAL_ASSIGN(TargetRule read, rule_of(rule));
    contest.rules.push_back(std::move(read));
  }
  PANAL_ASSIGN(const std::vector<Json> goals, list_of(document, "goals"));
  for (const Json& goal : goals) {
    PANAL_ASSIGN(std::string verdict, json_string(goal, "verdict", "goals"));
    contest.verdicts.push_back(std::move(verdict));
  }
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
