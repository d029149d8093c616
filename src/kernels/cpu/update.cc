#include "kernels/cpu/update.h"

#include <cmath>

#define PANAL_KERNEL_BODIES "kernels/cpu/update_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {

PANAL_CPU_KERNEL(adamw_update, (const AdamWUpdate& update, std::int64_t count), (update, count))
PANAL_CPU_KERNEL(momentum_update, (const MomentumUpdate& update, std::int64_t count),
                 (update, count))
PANAL_CPU_KERNEL(change_update, (const ChangeUpdate& update, std::int64_t count), (update, count))
PANAL_CPU_KERNEL(transport_update, (const TransportUpdate& update, std::int64_t count),
                 (update, count))
PANAL_CPU_KERNEL(look_ahead_update, (const LookAheadUpdate& update, std::int64_t count),
                 (update, count))
PANAL_CPU_KERNEL(join_exact, (const SplitCopy& copy, std::int64_t count), (copy, count))
PANAL_CPU_KERNEL(split_exact, (const SplitCopy& copy, std::int64_t count), (copy, count))
PANAL_CPU_KERNEL(square_sum, (const NumberSpan& numbers, std::int64_t count, double* total),
                 (numbers, count, total))

}  // namespace panal::kernels::cpu
