// The machine a run is on: what it is, how fast its products and its memory are, and how much
// memory this process has held. Written beside the metrics, so that runs can be compared later.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "model/config.h"
#include "report/run_record.h"
#include "tensor/precision.h"

namespace c10 {
struct Device;
}

namespace panal::train {

/// Processor, memory, compute threads and code version; no measurements. What the system does not
/// tell stays empty.
report::Machine describe_machine(tensor::Precision precision, const c10::Device& device);
report::Machine describe_machine(tensor::Precision precision);  // Training on the CPU.

/// Compute threads of each of several processes: `wanted` when it is over 0, else its share of the
/// cores, because threads that find no core of their own make all processes wait for the slowest.
std::int64_t threads_of_process(std::int64_t wanted, std::int64_t processes);

/// The terms of ModelConfig::training_flops_per_token.
report::ModelCost model_cost(const model::ModelConfig& model, std::int64_t context);

/// Of each of the three streams below, on the CPU.
inline constexpr std::int64_t kBandwidthBufferBytes = std::int64_t{32} << 20;

/// Bytes per second of a triad a = b + s c, best of 4; three streams counted, as McCalpin's STREAM
/// (1995) does. On the CPU over 96 MiB on all compute threads, in about 0.1 s; on a CUDA device
/// over 3 GiB. Nothing when the clock stands still.
std::optional<double> measured_memory_bytes_per_s(const Clock& clock, const c10::Device& device);
std::optional<double> measured_memory_bytes_per_s(const Clock& clock);  // Of the CPU.

/// The most memory this process has held at once (VmHWM), in bytes; nothing where /proc is missing.
std::optional<std::int64_t> peak_resident_bytes();
/// Starts counting anew from what is held now. False where the kernel does not let us.
bool forget_peak_resident_bytes();

}  // namespace panal::train
