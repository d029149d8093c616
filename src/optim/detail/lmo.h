// Linear minimization oracles: the point of a norm's unit ball that a gradient points to.
#pragma once

#include "optim/detail/rules.h"

namespace panal::optim::detail {

/// The norm a parameter of that many dimensions gets: kAuto resolved. Throws Error for a matrix
/// norm of something else.
Norm resolved_norm(Norm norm, const Target& target);
/// argmax over the unit ball of <direction, x>: uphill. direction as the target is stored, float32;
/// the result has its shape, any strides.
at::Tensor uphill(Norm resolved, const Target& target, const at::Tensor& direction,
                  const MuonConfig& newton_schulz);

}  // namespace panal::optim::detail
