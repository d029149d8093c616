// The elementwise half of weight updates, each one pass over memory, spread over the compute pool.
// Results do not depend on the number of threads. Float32 or bfloat16, contiguous, on the CPU or,
// by the kernels of kernels/cuda, on a CUDA device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace panal::tensor {

/// A parameter that is known to float32, in one of two forms of 4 bytes a weight: float32, or the
/// bfloat16 the products read beside the 16-bit difference to the exact value,
///
///     exact bits = bfloat16 bits * 2^16 + difference   (difference -32768 to 32767)
///
/// so `value` is the exact value rounded to the nearest bfloat16. Half-way cases go away from zero:
/// with "ties to even" the 65,537 floats that round to an even bfloat16 would not fit 16 bits.
struct ExactParameter {
  at::Tensor value;        // Float32 or bfloat16.
  at::Tensor remainder{};  // Int16 of the same shape beside bfloat16; undefined beside float32.
};
/// The exact float32 values: a copy, also of a float32 parameter.
at::Tensor exact_values(const ExactParameter& parameter);
/// Takes over float32 values of the same shape (any strides) exactly.
void set_exact_values(const ExactParameter& parameter, const at::Tensor& exact);

/// Sum of squares of all float32 or bfloat16 numbers of the tensors, which lie in one place. On the
/// CPU float32 within pieces of 2,048, double over them; on a CUDA device float32 within a tensor,
/// in one launch for all, and the host waits for the result.
double sum_of_squares(std::span<const at::Tensor> tensors);

/// One step of AdamW as torch.optim.AdamW has it.
struct AdamWStep {
  double learning_rate = 0;
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double weight_decay = 0;
  double gradient_scale = 1;  // What each gradient is multiplied by first: clipping.
  std::int64_t step = 1;      // Counted from 1, for bias correction.
};
/// Of one parameter: first_moment float32 or bfloat16, second_moment float32, gradient float32 or
/// bfloat16.
struct AdamWUpdate {
  ExactParameter parameter{};
  at::Tensor gradient{};
  at::Tensor first_moment{};
  at::Tensor second_moment{};
  AdamWStep step{};
};
/// All of them, which lie in one place; on a CUDA device in one launch.
void adamw_steps(std::span<const AdamWUpdate> updates);

/// momentum <- lerp(momentum, gradient_scale * gradient, 1 - keep); direction <- that, or with
/// looks_ahead lerp(gradient, momentum, keep): Nesterov's form as Muon has it.
struct MomentumUpdate {
  at::Tensor momentum{};   // Float32 or bfloat16.
  at::Tensor gradient{};   // Float32 or bfloat16.
  at::Tensor direction{};  // Float32, contiguous: written.
  double keep = 0;
  double gradient_scale = 1;
  bool looks_ahead = false;
};
/// All of them, which lie in one place; on a CUDA device in one launch.
void momentum_steps(std::span<const MomentumUpdate> updates);

struct ChangeStep {
  double length = 0;         // Of the change: parameter - length * change.
  double decay = 0;          // The parameter is multiplied by 1 - decay first.
  bool is_cautious = false;  // Decay only where change * parameter >= 0, that is where the change
                             // does not pull away from zero.
};
struct ChangeUpdate {
  ExactParameter parameter{};
  at::Tensor change{};  // Float32, any strides.
  ChangeStep step{};
};
/// All of them, which lie in one place; on a CUDA device in one launch.
void change_steps(std::span<const ChangeUpdate> updates);

/// The same for a parameter kept at an extrapolated point, parameter = point + extrapolation *
/// displacement: the point makes the step, `displacement` (bfloat16) becomes that step, and the
/// parameter the point extrapolated anew.
void transport_step(const ExactParameter& parameter, const at::Tensor& change,
                    const at::Tensor& displacement, const ChangeStep& step,
                    double extrapolation_before, double extrapolation_after);

/// parameter = point + extrapolation * average. A rule has moved the parameter from `before`
/// (float32) to the next point; the average <- lerp(average, next point - point, 1 - keep), and the
/// parameter becomes the next point extrapolated along it. average: float32 or bfloat16.
void look_ahead_step(const ExactParameter& parameter, const at::Tensor& before,
                     const at::Tensor& average, double keep, double extrapolation_before,
                     double extrapolation_after);

}  // namespace panal::tensor
