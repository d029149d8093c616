// What a Group holds.
#pragma once

#include <memory>
#include <vector>

#include "swarm/detail/ring.h"
#include "swarm/group.h"

namespace panal::swarm {

struct Group::State {
  std::unique_ptr<detail::Ring> ring;  // Null for a group of one.
  std::chrono::milliseconds deadline{0};
  Clock* clock = nullptr;   // Outlives the group.
  std::vector<float> sums;  // Scratch of all_reduce_bfloat16.

  int rank() const { return ring ? ring->rank() : 0; }
  int size() const { return ring ? ring->size() : 1; }
};

}  // namespace panal::swarm
