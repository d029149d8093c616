// Elementwise bodies of weight updates: everything an update reads is read once and everything it
// writes is written once, because optimizers wait for memory and not for arithmetic.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

/// `count` elements of a parameter: float32, or bfloat16 beside the difference to the exact value
/// (tensor/update.h); the pointers of the other form are null.
struct ParameterSpan {
  float* value = nullptr;
  std::uint16_t* rounded = nullptr;
  std::int16_t* remainder = nullptr;
};
/// Numbers in float32 or bfloat16: one of the two.
struct NumberSpan {
  float* floats = nullptr;
  std::uint16_t* halves = nullptr;
};

struct AdamWUpdate {
  ParameterSpan parameter;
  NumberSpan gradient;
  NumberSpan first_moment;
  float* second_moment = nullptr;
  float gradient_scale = 1;
  float keep = 1;  // 1 - learning rate * weight decay
  float beta1 = 0, beta2 = 0;
  float step_size = 0;      // learning rate / (1 - beta1^t)
  float second_factor = 1;  // 1 / sqrt(1 - beta2^t)
  float epsilon = 0;
};
void adamw_update(const AdamWUpdate& update, std::int64_t count);

struct MomentumUpdate {
  NumberSpan gradient;
  NumberSpan momentum;
  float* direction = nullptr;
  float gradient_scale = 1;
  float share = 0;       // Of the gradient in the new momentum.
  float look_ahead = 1;  // Of the new momentum in the direction; the rest is the gradient.
};
void momentum_update(const MomentumUpdate& update, std::int64_t count);

struct ChangeUpdate {
  ParameterSpan parameter;
  const float* change = nullptr;
  float keep = 1;
  float length = 0;
  bool is_cautious = false;
};
/// parameter * keep - length * change; cautious: keep counts as 1 where change * parameter < 0.
void change_update(const ChangeUpdate& update, std::int64_t count);

struct TransportUpdate {
  ChangeUpdate change;  // Its parameter is the extrapolated point.
  std::uint16_t* displacement = nullptr;
  float extrapolation_before = 0;
  float extrapolation_after = 0;
};
void transport_update(const TransportUpdate& update, std::int64_t count);

struct LookAheadUpdate {
  ParameterSpan parameter;        // After a rule has moved it.
  const float* before = nullptr;  // Before that.
  NumberSpan average;
  float share = 0;  // Of the newest movement in the average.
  float extrapolation_before = 0;
  float extrapolation_after = 0;
};
void look_ahead_update(const LookAheadUpdate& update, std::int64_t count);

struct SplitCopy {
  ParameterSpan parameter;
  float* exact = nullptr;
};
/// exact from parameter, and back.
void join_exact(const SplitCopy& copy, std::int64_t count);
void split_exact(const SplitCopy& copy, std::int64_t count);

/// *total = the sum of squares of `count` numbers, in float32 lanes: for short pieces.
void square_sum(const NumberSpan& numbers, std::int64_t count, double* total);

}  // namespace panal::kernels::cpu
