// When does a validation loss reach a target? Evaluations come every few steps and waver a little,
// so each is averaged with its neighbours and the crossing lies on the line between two averages.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "train/trial_runs.h"

namespace panal::contest::detail {

struct Crossing {
  double steps = 0, tokens = 0, seconds = 0;
};

/// Where the curve first comes down to the target: each reading counts as the mean of itself and
/// its two neighbours (the first one as itself), and between readings the curve is straight. The
/// last reading has no right neighbour yet, so a run goes one evaluation past its crossing.
/// Nothing when the target is not reached.
std::optional<Crossing> crossing(std::span<const train::LossReading> curve, double target);

/// Mean loss of the last three readings, or of as many as there are; one or more.
double final_loss(std::span<const train::LossReading> curve);

/// What is said of a figure over seeds.
struct SeedSpread {
  double mean = 0, low = 0, high = 0;
};
/// Nothing for no values.
std::optional<SeedSpread> seed_spread(std::span<const double> values);

/// Tokens of one rule by those of another, seed by seed: equal seeds saw equal weights and batches,
/// so their luck cancels. Seeds that either did not bring to the target are left out.
std::optional<SeedSpread> token_ratio(std::span<const std::optional<Crossing>> ours,
                                      std::span<const std::optional<Crossing>> theirs);

}  // namespace panal::contest::detail
