// Linear minimization oracles: the point of a norm's unit ball that a gradient points to.
#pragma once

#include "optim/detail/orthogonal_rule.h"

namespace panal::optim::detail {

/// The norm a parameter of that many dimensions gets: kAuto resolved. Throws Error for a matrix
/// norm of something else.
recipe::Norm resolved_norm(recipe::Norm norm, const Target& target);
/// argmax over the unit ball of <direction, x>: uphill, for norms other than kSpectral. direction
/// as the target is stored, float32; the result has its shape, any strides.
at::Tensor uphill(recipe::Norm resolved, const Target& target, const at::Tensor& direction);
/// What an orthogonal matrix [outputs, inputs] of blocks is multiplied by for kSpectral.
double spectral_radius(const at::Tensor& orthogonal, std::int64_t blocks);

}  // namespace panal::optim::detail
