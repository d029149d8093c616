// The update rules that `panal bench optim` lets compete: what each is made of, and which settings
// are tuned over which values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/optimizer.h"

namespace panal::contest::detail {

/// What is tuned of a rule. Everything else is the optim room's default.
struct RuleSettings {
  double learning_rate = 0;            // Of hidden matrices; the unit is the rule's.
  double embedding_learning_rate = 0;  // AdamW's, of the embedding; for Muon's kin norms too.
  double extrapolation = 0;            // Of accelerated rules; 0 for others.
  /// Equal but for rounding: a value that was halved and doubled is the same one.
  bool is_same(const RuleSettings& other) const;
};

struct Contender {
  std::string_view name;
  recipe::Rule rule = recipe::Rule::kAdamW;
  bool has_ema_nesterov = false;
  /// The rule it is a change of: it is tuned from that one's learning rate on, and keeps its
  /// embedding's. Empty: tuned from the values below.
  std::string_view kin{};
  double rate_of_kin =
      1;  // Its learning rate for the same change of a square matrix, by the kin's.
  std::vector<double> learning_rates{};  // Ascending; tried where the kin does not compete.
  std::vector<double> extrapolations{};  // Ascending; empty: none.
  double most_extrapolation = 100;       // What is over it is not tried.
  bool is_accelerated() const { return !extrapolations.empty(); }
};

/// Every rule of recipe::rules() as its descriptor says it is tuned, and ema_nesterov_muon; kin
/// come first.
std::span<const Contender> contenders();
/// Null for a name that is none.
const Contender* find_contender(std::string_view name);
std::vector<std::string> contender_names();

/// AdamW's learning rates of the embedding that are tried.
std::vector<double> embedding_learning_rates();

/// Extrapolation begins to grow with the warm-up and is whole after twice its steps (Transported
/// Scion), or begins there (EMA-Nesterov): before that, past movements say little about next ones.
recipe::OptimizerConfig optimizer_of(const Contender& contender, const RuleSettings& settings,
                                     std::int64_t warmup_steps);

}  // namespace panal::contest::detail
