// The rules make_optimizer chooses from, each in its own .cc file. Parameters come checked:
// float32, contiguous, on the CPU.
#pragma once

#include <memory>
#include <vector>

#include "optim/optimizer.h"
#include "tensor/named_tensor.h"

namespace panal::optim::detail {

/// One rule over some of the parameters; make_optimizer puts several together.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  /// Update number `step`, counted from 1.
  virtual void update(double factor, std::int64_t step) = 0;
  virtual std::vector<tensor::NamedTensor> state() const = 0;
};

std::unique_ptr<UpdateRule> make_adamw(const AdamWConfig& config,
                                       std::vector<tensor::NamedTensor> parameters);
std::unique_ptr<UpdateRule> make_muon(const MuonConfig& config,
                                      std::vector<tensor::NamedTensor> parameters);

/// Replaces a matrix by one with the same singular vectors and singular values near 1 (0.7 to 1.2),
/// by the quintic iteration X <- 3.4445 X - 4.7750 (X X^T) X + 2.0315 (X X^T)^2 X on X / |X|.
///
/// matrix  [rows, columns] float32, finite. Returns the same shape, not necessarily contiguous.
/// Cost    steps * (4 n^2 m + 2 n^3) FLOPs, n = shorter side, m = longer side.
/// Source  Jordan et al. 2024, who iterate in bfloat16; kFloat32 is exact where that is slow.
at::Tensor orthogonalize(const at::Tensor& matrix, int steps, tensor::Precision precision);

/// The gradient of a parameter, checked to fit it; undefined when there is none.
at::Tensor checked_gradient(const tensor::NamedTensor& parameter);

}  // namespace panal::optim::detail
