// Muon, and NorMuon, which is Muon with one setting more.
#include "recipe/detail/rule_settings.h"

namespace panal::recipe::descriptors {
namespace {

constexpr std::string_view kScales[] = {"original", "match_adamw"};  // As MuonScale has them.
constexpr std::string_view kOrthogonalizations[] = {"original", "polar_express", "exact"};
constexpr int kExactSteps = 12;

std::vector<RuleSetting> muon_settings() {
  return {
      number(
          "muon_learning_rate", 0, kMostRate,
          [](auto& c) -> auto& { return c.muon.learning_rate; }),
      number(
          "momentum", 0, kMostMomentum, [](auto& c) -> auto& { return c.muon.momentum; }),
      flag(
          "nesterov", [](auto& c) -> auto& { return c.muon.nesterov; }),
      number(
          "muon_weight_decay", 0, kMostDecay, [](auto& c) -> auto& { return c.muon.weight_decay; }),
      choice(
          "muon_scale", kScales, [](auto& c) -> auto& { return c.muon.scale; })};
}

std::vector<RuleSetting> normuon_settings() {
  std::vector<RuleSetting> settings = muon_settings();
  settings.push_back(number(
      "row_beta", 0, kMostMomentum, [](auto& c) -> auto& { return c.muon.row_beta; }));
  return settings;
}

constexpr RuleAccess kAccess = {
    .learning_rate = [](OptimizerConfig& c) -> double& { return c.muon.learning_rate; },
    .weight_decay = [](OptimizerConfig& c) -> double& { return c.muon.weight_decay; }};

// The exact iteration wants more steps, which a line after it can change.
void set_orthogonalization(OptimizerConfig& config, double value) {
  config.muon.orthogonalization = static_cast<Orthogonalization>(static_cast<int>(value));
  if (config.muon.orthogonalization == Orthogonalization::kExact) {
    config.muon.newton_schulz_steps = kExactSteps;
  }
}

}  // namespace

const RuleDescriptor kMuon = {.name = "muon",
                              .section = "",
                              .settings = muon_settings(),
                              .access = kAccess,
                              .is_for_matrices_alone = true,
                              .makes_orthogonal = true,
                              .tuning = {.learning_rates = {0.01, 0.02, 0.04}}};

const RuleDescriptor kNorMuon = {.name = "normuon",
                                 .section = "",
                                 .settings = normuon_settings(),
                                 .access = kAccess,
                                 .is_for_matrices_alone = true,
                                 .makes_orthogonal = true,
                                 .tuning = {.kin = "muon", .learning_rates = {0.01, 0.02, 0.04}}};

}  // namespace panal::recipe::descriptors

namespace panal::recipe {

std::span<const RuleSetting> newton_schulz_settings() {
  using namespace descriptors;
  static const std::vector<RuleSetting> kSettings = [] {
    RuleSetting kind = choice(
        "newton_schulz", kOrthogonalizations,
        [](auto& c) -> auto& { return c.muon.orthogonalization; });
    kind.set = set_orthogonalization;
    return std::vector<RuleSetting>{
        kind,
        integer(
            "newton_schulz_steps", 1, 20,
            [](auto& c) -> auto& { return c.muon.newton_schulz_steps; }),
        flag(
            "split_qkv", [](auto& c) -> auto& { return c.muon.splits_fused_attention; }),
        flag(
            "cautious_weight_decay", [](auto& c) -> auto& { return c.muon.has_cautious_decay; })};
  }();
  return kSettings;
}

}  // namespace panal::recipe
