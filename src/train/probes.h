// How fast the products and the memory of this machine are, measured by what training computes
// with. Written beside a run's metrics, so that runs can be compared later.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "machine/machine.h"
#include "recipe/run_config.h"
#include "tensor/precision.h"

namespace c10 {
struct Device;
}

namespace panal::train {

/// This computer with the device and the compute threads of this process; no measurements. What the
/// system does not tell stays empty.
machine::Machine describe_machine(tensor::Precision precision, const c10::Device& device);
machine::Machine describe_machine(tensor::Precision precision);  // Training on the CPU.

/// What a run is judged by where this process would train it.
recipe::RunsOn runs_here();

/// FLOP/s of the best product of two square matrices among the libraries at hand, best of
/// `repeats`: 2,048 rows on the CPU, 8,192 on a CUDA device. The random numbers of the run stay as
/// they are.
double gemm_peak_flops(tensor::Precision precision, const c10::Device& device, const Clock& clock,
                       int repeats = 8);
double gemm_peak_flops(tensor::Precision precision, const Clock& clock);  // Of the CPU.

/// Of each of the three streams below, on the CPU.
inline constexpr std::int64_t kBandwidthBufferBytes = std::int64_t{32} << 20;

/// Bytes per second of a triad a = b + s c, best of 4; three streams counted, as McCalpin's STREAM
/// (1995) does. On the CPU over 96 MiB on all compute threads, in about 0.1 s; on a CUDA device
/// over 3 GiB. Nothing when the clock stands still.
std::optional<double> measured_memory_bytes_per_s(const Clock& clock, const c10::Device& device);
std::optional<double> measured_memory_bytes_per_s(const Clock& clock);  // Of the CPU.

}  // namespace panal::train
