#include "train/detail/gradient_exchange.h"

#include <algorithm>
#include <utility>

#include "recipe/process_shares.h"

namespace panal::train::detail {
namespace {

using tensor::NamedTensor;

std::vector<Bucket> buckets_of(const std::vector<NamedTensor>& parameters,
                               const std::vector<int>& owners, int num_ranks) {
  std::vector<Bucket> buckets;
  for (auto& members : recipe::gradient_buckets(shapes_of(parameters))) {
    Bucket& bucket = buckets.emplace_back();
    bucket.members = std::move(members);
    std::ranges::stable_sort(bucket.members,
                             [&](std::size_t a, std::size_t b) { return owners[a] < owners[b]; });
    bucket.ends.assign(static_cast<std::size_t>(num_ranks), 0);
    for (const std::size_t member : bucket.members) {
      bucket.begins.push_back(bucket.size);
      bucket.size += static_cast<std::size_t>(parameters[member].value.numel());
      bucket.ends[static_cast<std::size_t>(owners[member])] = bucket.size;
    }
    for (std::size_t rank = 1; rank < bucket.ends.size(); ++rank) {
      bucket.ends[rank] = std::max(bucket.ends[rank], bucket.ends[rank - 1]);
    }
  }
  return buckets;
}

}  // namespace

std::vector<recipe::ParameterShape> shapes_of(std::span<const NamedTensor> parameters) {
  std::vector<recipe::ParameterShape> shapes;
  for (const NamedTensor& parameter : parameters) {
    shapes.push_back({.name = parameter.name, .shape = parameter.value.sizes().vec()});
  }
  return shapes;
}

ExchangedTensors::ExchangedTensors(std::vector<NamedTensor> all, std::vector<int> all_owners,
                                   int num_ranks)
    : parameters(std::move(all)),
      owners(std::move(all_owners)),
      buckets(buckets_of(parameters, owners, num_ranks)),
      bucket_of(parameters.size()) {
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    for (const std::size_t member : buckets[i].members) bucket_of[member] = i;
  }
}

std::size_t ExchangedTensors::largest_bucket_elements() const {
  std::size_t largest = 0;
  for (const Bucket& bucket : buckets) largest = std::max(largest, bucket.size);
  return largest;
}

}  // namespace panal::train::detail
