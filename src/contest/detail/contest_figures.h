// The outcome of a contest in figures: spread over seeds, ratios, goals.
#pragma once

#include <vector>

#include "contest/detail/contest.h"
#include "work/benchmark_jobs.h"

namespace panal::contest::detail {

/// Settings, figures with their spread over seeds, ratios of tokens, curves; one for each outcome.
std::vector<work::RuleFigures> rule_figures(const std::vector<RuleOutcome>& outcomes);

/// Whether the goals are met. Those of rules that did not compete are left out.
std::vector<work::RuleGoal> rule_goals(const std::vector<RuleOutcome>& outcomes);

}  // namespace panal::contest::detail
