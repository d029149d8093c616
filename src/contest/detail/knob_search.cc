#include "contest/detail/knob_search.h"

#include <algorithm>

namespace panal::contest::detail {

Result<KnobChoice> search_knob(const std::vector<double>& values,
                               const std::function<Result<TrialCost>(double)>& cost,
                               int most_extensions) {
  const std::size_t middle = (values.size() - 1) / 2;
  KnobChoice best{.value = values[middle]};
  PANAL_ASSIGN(best.cost, cost(best.value));
  const auto try_value = [&](double value) -> Status {
    PANAL_ASSIGN(const TrialCost found, cost(value));
    if (found < best.cost) best = {.value = value, .cost = found};
    return Status();
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != middle) PANAL_TRY(try_value(values[i]));
  }
  if (values.size() == 1) return best;
  double low = values.front(), high = values.back();
  for (int i = 0; i < most_extensions && (best.value == low || best.value == high); ++i) {
    if (best.value == low) {
      low *= values[0] / values[1];
      PANAL_TRY(try_value(low));
    } else {
      high *= values[values.size() - 1] / values[values.size() - 2];
      PANAL_TRY(try_value(high));
    }
  }
  return best;
}

}  // namespace panal::contest::detail
