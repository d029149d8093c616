// What devices can do at most and what they draw, for plans: makers' figures for dense products,
// never the sparse ones, and the share of them that training is assumed to reach.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace panal::machine {

struct Device {
  std::string_view name;  // As --device takes it.
  double bf16_flops;      // Dense, float32 sums; per second.
  double fp32_flops;      // Of the vector units.
  double memory_bytes_per_s;
  double memory_bytes;
  double watts;        // Board power limit.
  double assumed_mfu;  // In bf16, of models from 0.1B parameters on.
  std::string_view mfu_reason;
};

std::span<const Device> device_table();
/// Letters' case does not matter. Errors: kInvalidArgument lists the names.
Result<Device> find_device(std::string_view name);

}  // namespace panal::machine
