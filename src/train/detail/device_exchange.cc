// From CUDA device to CUDA device. Buckets are put into a stream of their own as they become
// complete, behind an event in the stream that computed them; the host waits once, after the last.
//
// A device that waits for a lost rank waits for ever, and so does a host that waits for it. So no
// wait here is one of CUDA's: each looks again and again whether what it waits for has come, and
// asks the group who is lost. Then the communicator is aborted, which frees the device, and the
// group's error names the rank. A rank that is silent is named by a barrier, which all come to when
// their own device has done its part: what is left then is the exchange alone.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/yield.h"
#include "tensor/communicator.h"
#include "tensor/step_sizes.h"
#include "train/detail/gradient_exchange.h"

namespace panal::train::detail {
namespace {

using namespace std::chrono_literals;
using tensor::Communicator;
using tensor::Event;
using Condition = std::function<bool()>;

constexpr int kYields = 64;  // Looks before a sleep.
constexpr auto kPause = 50us;
constexpr auto kUntilNamed = 2s;  // For the group to notice what NCCL noticed first.

class DeviceExchange final : public GradientExchange {
 public:
  DeviceExchange(swarm::Group& group, const ExchangedTensors& tensors);

  Status reduce(const Bucket& bucket, const Event& computed) override;
  Status finish_pass() override {
    return attended([this] { return all_have_come(); });
  }
  Status look_after_others() override;
  void cancel() override { is_cancelled_ = true; }

  Status share_weights() override {
    return hand_round([this](std::size_t parameter) { return tensors_.owners[parameter]; });
  }
  Status broadcast_weights() override {
    return hand_round([](std::size_t) { return 0; });
  }

 private:
  enum class Patience { kForDeadline, kForEver };

  // Of a bfloat16 gradient: where a part of it goes, in float32, and comes from.
  struct Passing {
    at::Tensor gradient{}, sum{};
    int owner = 0;
  };

  Status attended(const std::function<Status()>& work);
  Status give_up(Status status);
  Status wait_until(const Condition& holds, Patience patience);
  Status until_issued();
  Status all_have_come();
  Status hand_round(const std::function<int(std::size_t)>& root_of);
  at::Tensor gradient_of(std::size_t parameter);
  Status reduce_rounded(std::size_t parameter);
  Status reduce_what_is_there();

  swarm::Group& group_;
  const ExchangedTensors& tensors_;
  const c10::Device device_;
  std::atomic<bool> is_cancelled_ = false;
  std::optional<Communicator> devices_;
  std::vector<Event> computed_;        // What the stream waits for, since the last wait.
  at::Tensor sums_;                    // Float32 values of bfloat16 gradients; or undefined.
  std::int64_t used_ = 0;              // Elements of it.
  std::vector<Passing> passing_;       // Through it.
  std::vector<tensor::Share> shares_;  // That are reduced next.
};

// The sums of bfloat16 gradients that can be on their way at once.
std::int64_t passing_elements(const ExchangedTensors& tensors) {
  std::int64_t most = 0;
  for (const Bucket& bucket : tensors.buckets) {
    std::int64_t elements = 0;
    for (const std::size_t member : bucket.members) {
      const at::Tensor& value = tensors.parameters[member].value;
      if (value.scalar_type() != at::kFloat) elements += value.numel();
    }
    most = std::max(most, elements);
  }
  return std::min(most, tensor::kPassingElements);
}

DeviceExchange::DeviceExchange(swarm::Group& group, const ExchangedTensors& tensors)
    : group_(group), tensors_(tensors), device_(tensors.parameters.front().value.device()) {
  // Others may still load what this one has.
  ok_or_throw(group_.barrier());
  Communicator::Id id{};
  if (group_.rank() == 0) id = Communicator::make_id();
  ok_or_throw(group_.broadcast_bytes(id, 0));
  devices_.emplace(device_, id, group_.rank(), group_.size());
  Status joined = attended([this] { return until_issued(); });
  if (!joined.ok() && group_.look_after_others().ok()) {
    joined = Status(joined.code(), joined.message() + " (parallel: {exchange: host} does without)");
  }
  ok_or_throw(joined);
  const std::int64_t elements = passing_elements(tensors_);
  if (elements == 0) return;
  devices_->within([&] {
    sums_ = at::empty({elements}, at::TensorOptions().dtype(at::kFloat).device(device_));
  });
}

Status DeviceExchange::reduce(const Bucket& bucket, const Event& computed) {
  return attended([&]() -> Status {
    computed_.push_back(computed);
    devices_->wait_for(computed);
    for (const std::size_t member : bucket.members) {
      if (tensors_.parameters[member].value.scalar_type() == at::kFloat) {
        shares_.push_back({.values = gradient_of(member), .root = tensors_.owners[member]});
      } else {
        PANAL_TRY(reduce_rounded(member));
      }
    }
    return reduce_what_is_there();
  });
}

// What ranks call must not depend on what one of them lacks: there it is 0.
at::Tensor DeviceExchange::gradient_of(std::size_t parameter) {
  at::Tensor value = tensors_.parameters[parameter].value;
  if (!value.grad().defined()) {
    devices_->within([&] { value.mutable_grad() = at::zeros_like(value); });
  }
  return value.grad();
}

// Added up in float32 and rounded once. A large one goes in parts.
Status DeviceExchange::reduce_rounded(std::size_t parameter) {
  const at::Tensor gradient = gradient_of(parameter).view({-1});
  const int owner = tensors_.owners[parameter];
  for (std::int64_t begin = 0; begin < gradient.numel();) {
    if (used_ == sums_.numel()) PANAL_TRY(reduce_what_is_there());
    const std::int64_t count = std::min(gradient.numel() - begin, sums_.numel() - used_);
    const Passing part{.gradient = gradient.narrow(0, begin, count),
                       .sum = sums_.narrow(0, used_, count),
                       .owner = owner};
    devices_->within([&] { part.sum.copy_(part.gradient); });
    shares_.push_back({.values = part.sum, .root = owner});
    passing_.push_back(part);
    begin += count;
    used_ += count;
  }
  return Status();
}

Status DeviceExchange::reduce_what_is_there() {
  if (shares_.empty()) return Status();
  devices_->reduce(shares_);
  PANAL_TRY(until_issued());
  devices_->within([&] {
    for (const Passing& part : passing_) {
      if (part.owner == group_.rank()) part.gradient.copy_(part.sum);
    }
  });
  shares_.clear();
  passing_.clear();
  used_ = 0;
  return Status();
}

// In place: the weights' memory is what travels.
Status DeviceExchange::hand_round(const std::function<int(std::size_t)>& root_of) {
  return attended([&]() -> Status {
    computed_.push_back(Event::record(device_));
    devices_->wait_for(computed_.back());
    for (const Bucket& bucket : tensors_.buckets) {
      std::vector<tensor::Share> weights;
      for (const std::size_t member : bucket.members) {
        weights.push_back(
            {.values = tensors_.parameters[member].value.detach(), .root = root_of(member)});
      }
      devices_->broadcast(weights);
      PANAL_TRY(until_issued());
    }
    return all_have_come();
  });
}

Status DeviceExchange::until_issued() {
  return wait_until([this] { return devices_->is_issued(); }, Patience::kForDeadline);
}

// The streams of computing threads need no event of the exchange: the host gives them what comes
// after it only when this has returned.
Status DeviceExchange::all_have_come() {
  const auto is_complete = [](const Event& event) { return event.is_complete(); };
  PANAL_TRY(
      wait_until([&] { return std::ranges::all_of(computed_, is_complete); }, Patience::kForEver));
  computed_.clear();
  PANAL_TRY(group_.barrier());
  const Event come = devices_->record();
  return wait_until([&] { return devices_->is_issued() && come.is_complete(); },
                    Patience::kForDeadline);
}

Status DeviceExchange::wait_until(const Condition& holds, Patience patience) {
  const Deadline until(group_.clock(), group_.deadline());
  bool may_look = true;
  for (int looks = 0; !holds(); ++looks) {
    if (is_cancelled_) return Status(Code::kCancelled, "the exchange of gradients was cancelled");
    PANAL_TRY(group_.look_after_others());
    if (patience == Patience::kForDeadline && until.is_over()) {
      devices_->abort();
      PANAL_TRY(group_.barrier());  // Names who did not come here either.
      return Status(Code::kDeadlineExceeded,
                    fmt::format("NCCL must be done {} ms after all {} processes gave it what it "
                                "exchanges, and is not though all answer: a device or the line "
                                "between two of them hangs",
                                group_.deadline().count(), group_.size()));
    }
    may_look = may_look && looks < kYields && yield_briefly(group_.clock());
    if (!may_look) until.sleep_for(kPause);
  }
  return Status();
}

Status DeviceExchange::look_after_others() {
  return attended([this]() -> Status {
    PANAL_TRY(group_.look_after_others());
    devices_->is_issued();  // Throws what failed meanwhile.
    return Status();
  });
}

Status DeviceExchange::attended(const std::function<Status()>& work) {
  Status status = capture(work);
  return status.ok() ? status : give_up(std::move(status));
}

// Frees the device of what waits for others. NCCL may have noticed first that a rank is gone, but
// the group knows which. What failed here is told at once: others learn of it when this rank
// leaves.
Status DeviceExchange::give_up(Status status) {
  devices_->abort();
  const Deadline until(group_.clock(), kUntilNamed);
  while (status.code() == Code::kUnavailable && !is_cancelled_ && !until.is_over()) {
    PANAL_TRY(group_.look_after_others());
    until.sleep_for(1ms);
  }
  return status;
}

}  // namespace

std::unique_ptr<GradientExchange> make_device_exchange(swarm::Group& group,
                                                       const ExchangedTensors& tensors) {
  return std::make_unique<DeviceExchange>(group, tensors);
}

}  // namespace panal::train::detail
