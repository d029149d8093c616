// Section "optimizer" of a run's YAML: what is read comes back from its JSON, mistakes are told
// with file and key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "recipe/run_config.h"

namespace panal::recipe {
namespace {

using testing::HasSubstr;

const std::string kRun = "kind: pretrain\ndata: {path: t}\nlimits: {steps: 1}\n";

constexpr const char* kTable =
    "batch: {accumulate: 4, ramp_steps: 9}\n"
    "optimizer:\n"
    "  rule: normuon\n"
    "  state_precision: bf16\n"
    "  newton_schulz: polar_express\n"
    "  newton_schulz_steps: 8\n"
    "  cautious_weight_decay: true\n"
    "  row_beta: 0.9\n"
    "  scion: {norm: row, radius: 7, constrained: false}\n"
    "  ema_nesterov: {keep: 0.95, begin_step: 5}\n"
    "  rules:\n"
    "    - {match: lm_head, rule: scion, norm: sign, learning_rate: 0.01, radius: 3}\n"
    "    - {match: embed_tokens, rule: adamw, weight_decay: 0.5}\n";
constexpr const char* kAhead =
    "optimizer: {rule: transported_scion, transported_scion: {extrapolation: 3, norm: column, "
    "nesterov: true}}\n";

TEST(OptimizerConfig, ReadsTheTableAndTheSectionsOfItsRules) {
  const auto config = parse_run_config(kRun + kTable, "run.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  const auto& optimizer = config->optimizer;
  EXPECT_EQ(optimizer.rule, Rule::kNorMuon);
  EXPECT_EQ(optimizer.muon.orthogonalization, Orthogonalization::kPolarExpress);
  EXPECT_EQ(optimizer.ema_nesterov.extrapolation, 0.6);
  ASSERT_EQ(optimizer.assignments.size(), 2u);
  EXPECT_EQ(optimizer.assignments[0].norm, Norm::kSign);
  EXPECT_EQ(optimizer.assignments[0].radius, 3.0);
  EXPECT_FALSE(optimizer.assignments[0].weight_decay);
  EXPECT_EQ(optimizer.assignments[1].weight_decay, 0.5);
  EXPECT_EQ(config->batch.ramp_steps, 9);
}

TEST(OptimizerConfig, ComesBackFromItsJson) {
  for (const char* yaml : {kTable, kAhead, "optimizer: {rule: muon, newton_schulz: exact}\n"}) {
    const Json json = run_config_to_json(parse_run_config(kRun + yaml, "run.yaml").value());
    const auto again = parse_run_config(to_line(json), "config.json");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(run_config_to_json(*again), json);
  }
}

TEST(OptimizerConfig, TellsMistakesWithFileAndKey) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"optimizer: {rule: muon, scion: {radius: 3}}\n", "optimizer.scion"},
      {"optimizer: {rules: muon}\n", "must be a list of mappings"},
      {"optimizer: {rules: [{rule: muon}]}\n", "match"},
      {"optimizer: {rules: [{match: head}]}\n", "rule"},
      {"optimizer: {rules: [{match: head, rule: muon, norm: sign}]}\n", "norm"},
      {"optimizer: {rules: [{match: a, rule: scion, norm: big}]}\n", "one of auto, spectral"},
      {"optimizer: {rule: transported_scion, ema_nesterov: {keep: 0.9}}\n",
       "extrapolates by itself"},
      {"batch: {ramp_steps: 5}\n", "must be over 1"}};
  for (const auto& [yaml, told] : mistakes) {
    const auto parsed = parse_run_config(kRun + yaml, "run.yaml");
    ASSERT_FALSE(parsed.ok()) << yaml;
    EXPECT_THAT(parsed.status().message(), HasSubstr("run.yaml")) << yaml;
    EXPECT_THAT(parsed.status().message(), HasSubstr(told)) << yaml;
  }
}

}  // namespace
}  // namespace panal::recipe
