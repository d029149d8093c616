// One rank's tensor becomes everybody's through the group and the host's memory.
#pragma once

#include <ATen/core/Tensor.h>

#include "base/result.h"
#include "swarm/group.h"

namespace panal::train::detail {

/// Everybody gets what `root` has, in a contiguous tensor of the same shape and type. On a CUDA
/// device the host waits. Errors: the group's; throws Error for a tensor that is not contiguous.
Status broadcast_tensor(swarm::Group& group, const at::Tensor& tensor, int root);

}  // namespace panal::train::detail
