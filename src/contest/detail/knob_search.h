// The best value of one setting, by trying few: a coarse geometric grid, carried on past whichever
// end is best, so that no rule is judged at the border of what somebody thought of.
#pragma once

#include <compare>
#include <functional>
#include <limits>
#include <vector>

#include "base/result.h"

namespace panal::contest::detail {

/// What a trial took. Those that reach the target go by tokens, the others by how far they got.
struct TrialCost {
  double tokens = std::numeric_limits<double>::infinity();  // To the target; infinite: not reached.
  double loss = std::numeric_limits<double>::infinity();    // At the end.
  std::partial_ordering operator<=>(const TrialCost&) const = default;
};

struct KnobChoice {
  double value = 0;
  TrialCost cost{};
};

/// Tries all values, the middle one first (it is the likeliest, and later trials may be cut short
/// once they are worse than the best), then goes on by the grid's own factor while the best is at
/// an end, at most `most_extensions` times. A single value is taken as it is, after one trial.
/// values   one or more, over 0, ascending.
/// Errors   those of `cost`.
Result<KnobChoice> search_knob(const std::vector<double>& values,
                               const std::function<Result<TrialCost>(double)>& cost,
                               int most_extensions = 3);

}  // namespace panal::contest::detail
