// The list of rules, and what follows from it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "recipe/optimizer.h"

namespace panal::recipe {
namespace {

constexpr std::array kAll = {Rule::kAdamW, Rule::kMuon, Rule::kNorMuon, Rule::kScion,
                             Rule::kTransportedScion};

Status check_setting(const RuleSetting& setting, std::string_view of,
                     const OptimizerConfig& config) {
  const std::optional<double> value = setting.get(config);
  if (!value || (*value >= setting.low && *value <= setting.high)) return Status();
  return Status(Code::kInvalidArgument,
                fmt::format("{} of {} must be {} to {}, found {}", setting.key, of, setting.low,
                            setting.high, *value));
}

}  // namespace

std::span<const Rule> rules() { return kAll; }

std::string_view rule_name(Rule rule) { return rule.descriptor().name; }

const std::vector<std::string>& rule_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Rule rule : rules()) all.emplace_back(rule_name(rule));
    return all;
  }();
  return names;
}

Result<Rule> rule_from_name(std::string_view name) {
  for (const Rule rule : rules()) {
    if (rule_name(rule) == name) return rule;
  }
  return Status(Code::kInvalidArgument, fmt::format("a rule is one of {}, found \"{}\"",
                                                    fmt::join(rule_names(), ", "), name));
}

Status check_settings(const OptimizerConfig& config) {
  for (const Rule rule : rules()) {
    if (!config.uses(rule)) continue;
    for (const RuleSetting& setting : rule.descriptor().settings) {
      PANAL_TRY(check_setting(setting, rule_name(rule), config));
    }
    if (!rule.descriptor().makes_orthogonal) continue;
    for (const RuleSetting& setting : newton_schulz_settings()) {
      PANAL_TRY(check_setting(setting, rule_name(rule), config));
    }
  }
  return Status();
}

}  // namespace panal::recipe
