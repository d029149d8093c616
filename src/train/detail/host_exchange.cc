// Through the host's memory: what a bucket holds is copied end to end and goes round the ring, also
// from and to CUDA devices in a build without NCCL.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

#include "train/detail/broadcast_tensor.h"
#include "train/detail/gradient_exchange.h"

namespace panal::train::detail {
namespace {

bool is_plain(const at::Tensor& gradient) {
  return gradient.is_cpu() && gradient.scalar_type() == at::kFloat && gradient.is_contiguous();
}

class HostExchange final : public GradientExchange {
 public:
  HostExchange(swarm::Group& group, const ExchangedTensors& tensors)
      : group_(group),
        tensors_(tensors),
        passing_(at::empty({static_cast<std::int64_t>(tensors.largest_bucket_elements())},
                           at::kFloat)) {}

  Status reduce(const Bucket& bucket, const tensor::Event& computed) override {
    const at::NoGradGuard no_gradients;
    computed.synchronize();
    put_in(bucket);
    PANAL_TRY(group_.reduce_scatter(passing(bucket), bucket.ends));
    take_out(bucket);
    return Status();
  }

  Status share_weights() override {
    const at::NoGradGuard no_gradients;
    for (const Bucket& bucket : tensors_.buckets) {
      // bfloat16 weights travel as float32 and come back as they were.
      copy_weights(bucket, /*own=*/true);
      PANAL_TRY(group_.all_gather(passing(bucket), bucket.ends));
      copy_weights(bucket, /*own=*/false);
    }
    return Status();
  }

  Status broadcast_weights() override {
    const at::NoGradGuard no_gradients;
    for (const auto& parameter : tensors_.parameters) {
      PANAL_TRY(broadcast_tensor(group_, parameter.value, 0));
    }
    return Status();
  }

 private:
  std::span<float> passing(const Bucket& bucket) const {
    return {passing_.data_ptr<float>(), bucket.size};
  }
  std::span<float> place_of(const Bucket& bucket, std::size_t i) const {
    const at::Tensor& value = tensors_.parameters[bucket.members[i]].value;
    return passing(bucket).subspan(bucket.begins[i], static_cast<std::size_t>(value.numel()));
  }
  bool is_own(const Bucket& bucket, std::size_t i) const {
    return tensors_.owners[bucket.members[i]] == group_.rank();
  }

  // Plain copies where that is possible, in both directions: torch's would wake a second pool of
  // compute threads beside the backward pass.
  void put_in(const Bucket& bucket) const {
    for (std::size_t i = 0; i < bucket.members.size(); ++i) {
      const at::Tensor& value = tensors_.parameters[bucket.members[i]].value;
      const at::Tensor& gradient = value.grad();
      const std::span<float> place = place_of(bucket, i);
      if (!gradient.defined()) {
        std::ranges::fill(place, 0.0f);
      } else if (is_plain(gradient)) {
        std::memcpy(place.data(), gradient.data_ptr<float>(), place.size_bytes());
      } else {
        at::from_blob(place.data(), value.sizes(), at::kFloat).copy_(gradient);
      }
    }
  }

  void take_out(const Bucket& bucket) const {
    for (std::size_t i = 0; i < bucket.members.size(); ++i) {
      if (!is_own(bucket, i)) continue;
      at::Tensor value = tensors_.parameters[bucket.members[i]].value;
      if (!value.grad().defined()) value.mutable_grad() = at::empty_like(value);
      at::Tensor& gradient = value.mutable_grad();
      const std::span<float> place = place_of(bucket, i);
      if (is_plain(gradient)) {
        std::memcpy(gradient.data_ptr<float>(), place.data(), place.size_bytes());
      } else {
        gradient.copy_(at::from_blob(place.data(), value.sizes(), at::kFloat));
      }
    }
  }

  void copy_weights(const Bucket& bucket, bool own) const {
    for (std::size_t i = 0; i < bucket.members.size(); ++i) {
      if (is_own(bucket, i) != own) continue;
      at::Tensor value = tensors_.parameters[bucket.members[i]].value;
      at::Tensor there = at::from_blob(place_of(bucket, i).data(), value.sizes(), at::kFloat);
      if (own) {
        there.copy_(value);
      } else {
        value.copy_(there);
      }
    }
  }

  swarm::Group& group_;
  const ExchangedTensors& tensors_;
  const at::Tensor passing_;  // One bucket's values, of whoever passes it on. Float32.
};

}  // namespace

std::unique_ptr<GradientExchange> make_host_exchange(swarm::Group& group,
                                                     const ExchangedTensors& tensors) {
  return std::make_unique<HostExchange>(group, tensors);
}

}  // namespace panal::train::detail
