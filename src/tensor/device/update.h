// The functions of tensor/update.h by the kernels for CUDA devices: all tensors of a call in one
// launch.
#pragma once

#include <span>

#include "tensor/update.h"

namespace panal::tensor::on_device {

at::Tensor exact_values(const ExactParameter& parameter);
void set_exact_values(const ExactParameter& parameter, const at::Tensor& exact);
/// Of each, where they lie: float32 [tensors]. A tensor's sum does not depend on the others.
at::Tensor sums_of_squares(std::span<const at::Tensor> numbers);
/// Of all together; the host waits for it.
double sum_of_squares(std::span<const at::Tensor> numbers);
void adamw_steps(std::span<const AdamWUpdate> updates);
void momentum_steps(std::span<const MomentumUpdate> updates);
void change_steps(std::span<const ChangeUpdate> updates);
void transport_step(const ExactParameter& parameter, const at::Tensor& change,
                    const at::Tensor& displacement, const ChangeStep& step,
                    double extrapolation_before, double extrapolation_after);
void look_ahead_step(const ExactParameter& parameter, const at::Tensor& before,
                     const at::Tensor& average, double keep, double extrapolation_before,
                     double extrapolation_after);

}  // namespace panal::tensor::on_device
