// Spherical k-means (Dhillon and Modha, 2001) with k-means++ seeding (Arthur and Vassilvitskii,
// 2007), and how far apart the clusters it finds stand.
#pragma once

#include <cstdint>
#include <vector>

#include "topics/detail/partition_vectors.h"

namespace panal::topics::detail {

struct Clusters {
  std::vector<std::int32_t> assignments;  // Per row, 0 to k - 1.
  double cohesion = 0;                    // Mean cosine between row and its centre.
};

/// The best of a few seeded starts. balanced: no cluster over ceil(n / k) rows.
/// Cost: starts * 30 * n * k * dimensions multiplications at most.
Clusters cluster(const LatentVectors& vectors, std::size_t k, bool balanced, std::uint64_t seed);

/// What separate word distributions per cluster save over a common one, in nats per word on words
/// that were held out (two-fold over the members): an upper bound, cheap to get, of what separate
/// experts can gain. Near 0 for clusters that only slice one subject; may be negative.
double held_out_gain(const WordTable& table, const std::vector<std::size_t>& documents,
                     const std::vector<std::int32_t>& assignments, std::size_t k);

}  // namespace panal::topics::detail
