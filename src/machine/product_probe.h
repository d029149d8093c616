// How fast this CPU multiplies matrices, without a library of tensors: by panal's own kernel, in a
// few milliseconds. What training reaches with all libraries is measured where they are
// (train/probes.h) and kept (machine/measured_facts.h).
#pragma once

#include <optional>

#include "base/clock.h"
#include "tensor/precision.h"

namespace panal::machine {

/// FLOP/s of `threads` threads that multiply at once, each its own rows by one packed factor that
/// stays in the cache: the fastest pass of each, added up. Nothing when the clock stands still.
/// Close to the best product of large matrices where kernels::cpu::are_products_fastest(), else
/// below it: matrix tiles are not used. Cost: about 20 ms of each thread, 4 MiB; on a slow
/// CPU three passes.
std::optional<double> probe_product_flops(tensor::Precision precision, int threads,
                                          const Clock& clock);

}  // namespace panal::machine
