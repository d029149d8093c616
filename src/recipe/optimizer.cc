#include "recipe/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace panal::recipe {
namespace {

template <typename Value, std::size_t Count>
std::string_view name_of(const std::array<std::pair<Value, std::string_view>, Count>& names,
                         Value value) {
  return std::ranges::find(names, value, [](const auto& entry) { return entry.first; })->second;
}

constexpr std::array<std::pair<Rule, std::string_view>, 5> kRuleNames{{
    {Rule::kAdamW, "adamw"},
    {Rule::kMuon, "muon"},
    {Rule::kNorMuon, "normuon"},
    {Rule::kScion, "scion"},
    {Rule::kTransportedScion, "transported_scion"},
}};
constexpr std::array<std::pair<Norm, std::string_view>, 6> kNormNames{{
    {Norm::kAuto, "auto"},
    {Norm::kSpectral, "spectral"},
    {Norm::kSign, "sign"},
    {Norm::kColumn, "column"},
    {Norm::kRow, "row"},
    {Norm::kBiasRms, "bias_rms"},
}};

}  // namespace

std::string_view rule_name(Rule rule) { return name_of(kRuleNames, rule); }

const std::vector<std::string>& rule_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [rule, name] : kRuleNames) all.emplace_back(name);
    return all;
  }();
  return names;
}

Result<Rule> rule_from_name(std::string_view name) {
  for (const auto& [rule, known] : kRuleNames) {
    if (known == name) return rule;
  }
  return Status(Code::kInvalidArgument,
                fmt::format("a rule is adamw, muon, normuon, scion or transported_scion, found "
                            "\"{}\"",
                            name));
}

std::string_view norm_name(Norm norm) { return name_of(kNormNames, norm); }

Result<Norm> norm_from_name(std::string_view name) {
  for (const auto& [norm, known] : kNormNames) {
    if (known == name) return norm;
  }
  return Status(
      Code::kInvalidArgument,
      fmt::format("a norm is auto, spectral, sign, column, row or bias_rms, found \"{}\"", name));
}

double main_learning_rate(const OptimizerConfig& config) {
  switch (config.rule) {
    case Rule::kAdamW:
      return config.adamw.learning_rate;
    case Rule::kMuon:
    case Rule::kNorMuon:
      return config.muon.learning_rate;
    case Rule::kScion:
      return config.scion.learning_rate;
    case Rule::kTransportedScion:
      return config.transported_scion.learning_rate;
  }
  return 0;
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
