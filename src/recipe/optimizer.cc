#include "recipe/optimizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace panal::recipe {
namespace {

constexpr std::array<std::string_view, 6> kNormNames = {"auto",   "spectral", "sign",
                                                        "column", "row",      "bias_rms"};

}  // namespace

std::span<const std::string_view> norm_names() { return kNormNames; }

std::string_view norm_name(Norm norm) { return kNormNames[static_cast<std::size_t>(norm)]; }

Result<Norm> norm_from_name(std::string_view name) {
  const auto found = std::ranges::find(kNormNames, name);
  if (found != kNormNames.end()) return static_cast<Norm>(found - kNormNames.begin());
  return Status(Code::kInvalidArgument, fmt::format("a norm is one of {}, found \"{}\"",
                                                    fmt::join(kNormNames, ", "), name));
}

bool OptimizerConfig::uses(Rule wanted) const {
  return wanted == Rule::kAdamW || wanted == rule ||
         std::ranges::any_of(assignments, [&](const auto& line) { return line.rule == wanted; });
}

bool OptimizerConfig::makes_orthogonal() const {
  return std::ranges::any_of(
      rules(), [&](Rule each) { return uses(each) && each.descriptor().makes_orthogonal; });
}

double main_learning_rate(const OptimizerConfig& config) {
  OptimizerConfig copy = config;
  return config.rule.descriptor().access.learning_rate(copy);
}

double orthogonalization_flops(double rows, double columns, int newton_schulz_steps) {
  const double n = std::min(rows, columns), m = std::max(rows, columns);
  return newton_schulz_steps * (4 * n * n * m + 2 * n * n * n);
}

bool is_hidden_matrix(std::string_view name, std::size_t num_dimensions) {
  // Rows of these are looked up or chosen one at a time: their updates are sparse, not low in rank.
  constexpr std::array<std::string_view, 4> kTables = {"embed_tokens.", "lm_head.", "wte.", "wpe."};
  if (num_dimensions != 2) return false;
  return std::ranges::none_of(
      kTables, [&](std::string_view table) { return name.find(table) != std::string_view::npos; });
}

}  // namespace panal::recipe
