// The outcome of a contest as the document `panal bench optim --json` prints.
#pragma once

#include <vector>

#include "base/json.h"
#include "contest/detail/contest.h"

namespace panal::contest::detail {

/// The list "rules": settings, figures with their spread over seeds, ratios of tokens, curves.
Json outcomes_to_json(const std::vector<RuleOutcome>& outcomes);

/// The list "goals": [{"rule", "than", "goal": the ratio of tokens that is wanted at most, "ratio":
/// {"mean", "low", "high"} or null, "met": true or false, null where it is unknown, "verdict": a
/// sentence}]. A goal is met by the mean over seeds. Those of rules that did not compete are left
/// out.
Json goals_to_json(const std::vector<RuleOutcome>& outcomes);

}  // namespace panal::contest::detail
