// Each rule's description holds together: defaults are in range, names are found again, settings
// are read where they were written.
#include "recipe/optimizer_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "recipe/optimizer.h"

namespace panal::recipe {
namespace {

using testing::HasSubstr;

std::vector<RuleSetting> all_settings() {
  std::vector<RuleSetting> all(newton_schulz_settings().begin(), newton_schulz_settings().end());
  for (const Rule rule : rules()) {
    const auto& own = rule.descriptor().settings;
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

TEST(OptimizerRules, AreFoundByTheirNamesAndComeAfterTheirKin) {
  std::set<std::string_view> seen;
  EXPECT_EQ(rules().front(), Rule::kAdamW);
  for (const Rule rule : rules()) {
    const RuleDescriptor& descriptor = rule.descriptor();
    EXPECT_TRUE(seen.insert(descriptor.name).second) << descriptor.name;
    EXPECT_EQ(rule_from_name(descriptor.name).value(), rule);
    EXPECT_TRUE(descriptor.tuning.kin.empty() || seen.contains(descriptor.tuning.kin));
    EXPECT_TRUE(std::ranges::is_sorted(descriptor.tuning.learning_rates)) << descriptor.name;
    EXPECT_NE(descriptor.access.learning_rate, nullptr) << descriptor.name;
  }
  EXPECT_THAT(rule_from_name("sgd").status().message(),
              HasSubstr("adamw, muon, normuon, scion, transported_scion, found \"sgd\""));
}

TEST(OptimizerRules, DefaultsAreInRange) {
  OptimizerConfig config;
  for (const Rule rule : rules()) {
    config.rule = rule;
    EXPECT_TRUE(check_settings(config).ok()) << rule_name(rule);
  }
}

// Two values of each, so that a setting that wrote into another's place would be seen.
TEST(OptimizerRules, EverySettingIsReadWhereItWasWritten) {
  for (const RuleSetting& setting : all_settings()) {
    for (const double value : {setting.low, setting.high}) {
      OptimizerConfig config;
      setting.set(config, value);
      EXPECT_EQ(setting.get(config), value) << setting.key;
    }
    EXPECT_EQ(setting.choices.empty(), setting.kind != RuleSetting::Kind::kChoice) << setting.key;
  }
}

TEST(OptimizerRules, WhatIsOutOfRangeIsNamedWithItsRule) {
  OptimizerConfig config{.rule = Rule::kMuon};
  config.muon.momentum = 1.5;
  EXPECT_THAT(check_settings(config).message(), HasSubstr("momentum of muon must be 0 to 0.99999"));
  config.rule = Rule::kAdamW;  // Nobody uses Muon's any more.
  EXPECT_TRUE(check_settings(config).ok());
  config.adamw.learning_rate = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(check_settings(config).ok());
  OptimizerConfig line{.assignments = {{.match = "head", .rule = Rule::kScion}}};
  line.scion.radius = -1;
  EXPECT_THAT(check_settings(line).message(), HasSubstr("radius of scion"));
}

TEST(OptimizerRules, LearningRatesAreEachRulesOwn) {
  for (const Rule rule : rules()) {
    OptimizerConfig config{.rule = rule};
    rule.descriptor().access.learning_rate(config) = 0.123;
    EXPECT_DOUBLE_EQ(main_learning_rate(config), 0.123) << rule_name(rule);
  }
}

}  // namespace
}  // namespace panal::recipe
