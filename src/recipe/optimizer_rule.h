// What there is to know of an update rule without its mathematics: its settings with ranges, the
// state it keeps, how it is tuned. The run file's parser, the memory plan, the optimizer's checks
// and the contest of rules all read this one description.
//
// A new rule is a file beside recipe/rules/adamw.cc with its line in optimizer_rule.cc, its
// settings in OptimizerConfig, and a file of optim with its line in the table of
// optim/make_rule.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace panal::recipe {

struct OptimizerConfig;  // recipe/optimizer.h
enum class Norm;
struct RuleDescriptor;

/// One of rules(). Equal rules are the same descriptor.
class Rule {
 public:
  // Those that code means by name.
  static const Rule kAdamW, kMuon, kNorMuon, kScion, kTransportedScion;

  constexpr explicit Rule(const RuleDescriptor& descriptor) : descriptor_(&descriptor) {}
  const RuleDescriptor& descriptor() const { return *descriptor_; }
  friend bool operator==(const Rule&, const Rule&) = default;

 private:
  const RuleDescriptor* descriptor_;  // Of rules(): lives as long as the program.
};

/// One setting, as a run file has it and as a config holds it. Values of every kind are numbers
/// here: a flag is 0 or 1, a choice its place among `choices`.
struct RuleSetting {
  enum class Kind { kNumber, kInteger, kFlag, kChoice };
  std::string_view key;
  Kind kind = Kind::kNumber;
  double low = 0, high = 0;                     // Of numbers and integers, both allowed.
  std::span<const std::string_view> choices{};  // Of kChoice.
  std::optional<double> (*get)(const OptimizerConfig&) = nullptr;  // Nothing: not given.
  void (*set)(OptimizerConfig&, double value) = nullptr;
};

/// The first setting of the rules in use that is out of range, in a sentence. `config` is checked
/// whole: AdamW's are always in use.
Status check_settings(const OptimizerConfig& config);

/// What a line of the table of rules can change of a rule; null: it has no such setting.
struct RuleAccess {
  double& (*learning_rate)(OptimizerConfig&) = nullptr;  // Every rule has one.
  double& (*weight_decay)(OptimizerConfig&) = nullptr;
  Norm& (*norm)(OptimizerConfig&) = nullptr;
  std::optional<double>& (*radius)(OptimizerConfig&) = nullptr;
};

/// How far a rule takes its gradients ahead of the weights, and the steps until it does.
struct RuleExtrapolation {
  double& (*value)(OptimizerConfig&) = nullptr;
  std::int64_t& (*warmup_steps)(OptimizerConfig&) = nullptr;
  std::vector<double> tried{};  // By a contest; ascending.
};

/// How a contest tunes the learning rate.
struct RuleTuning {
  /// The rule it is a change of: it is tuned from that one's learning rate on, and keeps its
  /// embedding's. Empty: tuned from the values below.
  std::string_view kin{};
  /// Its learning rate for the same change of a square matrix, by the kin's.
  double rate_of_kin = 1;
  std::vector<double> learning_rates{};  // Ascending; tried where the kin does not compete.
};

struct RuleDescriptor {
  std::string_view name;     // "muon"
  std::string_view section;  // Of its settings inside the section "optimizer"; empty: there itself.
  std::vector<RuleSetting> settings;
  RuleAccess access;
  /// Bytes of state for one trained element, beside its moments in OptimizerConfig::state_precision
  /// and what is there once a row or once a parameter.
  int num_moments = 1;
  double other_state_bytes = 0;
  bool is_for_matrices_alone = false;
  bool makes_orthogonal = false;  // By Newton-Schulz, whose settings are then read too.
  std::optional<RuleExtrapolation> extrapolation{};  // Then without EMA-Nesterov on top.
  RuleTuning tuning{};
};

namespace descriptors {
extern const RuleDescriptor kAdamW, kMuon, kNorMuon, kScion, kTransportedScion;
}
inline constexpr Rule Rule::kAdamW{descriptors::kAdamW};
inline constexpr Rule Rule::kMuon{descriptors::kMuon};
inline constexpr Rule Rule::kNorMuon{descriptors::kNorMuon};
inline constexpr Rule Rule::kScion{descriptors::kScion};
inline constexpr Rule Rule::kTransportedScion{descriptors::kTransportedScion};

/// All rules, AdamW first, a rule's kin before it.
std::span<const Rule> rules();

/// Settings of Newton-Schulz, which rules that make matrices orthogonal share.
std::span<const RuleSetting> newton_schulz_settings();

std::string_view rule_name(Rule rule);
Result<Rule> rule_from_name(std::string_view name);
const std::vector<std::string>& rule_names();

}  // namespace panal::recipe
