// This computer as the system describes it, without measuring anything. No library of a device is
// asked: what only PyTorch knows, the rooms that have it hand in.
#pragma once

#include <cstdint>

#include "machine/machine.h"

namespace panal::machine {

/// Processor, cores and memory of this computer, and the version of this program. What the system
/// does not tell stays empty. Cost: under a millisecond.
Machine inventory();

/// Cores that threads can run on; at least 1.
std::int64_t num_cores();

/// True where the CPU multiplies bfloat16 by instructions of its own (AVX-512-BF16, AMX). Elsewhere
/// it is widened piece by piece, at a fraction of float32's speed. PANAL_CPU_LEVEL
/// (kernels/cpu/dispatch.h) can forbid it; throws Error for a level that there is none of.
bool cpu_multiplies_bfloat16();

/// Compute threads of each of several processes: `wanted` when it is over 0, else its share of the
/// cores, because threads that find no core of their own make all processes wait for the slowest.
std::int64_t threads_of_process(std::int64_t wanted, std::int64_t processes);

}  // namespace panal::machine
