#include "train/detail/data_parallel.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "recipe/process_shares.h"
#include "tensor/communicator.h"
#include "tensor/device.h"

namespace panal::train::detail {
namespace {

using namespace std::chrono_literals;
using tensor::NamedTensor;

constexpr auto kBetweenGlances = 20ms;

}  // namespace

class DataParallel::ReadyHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  ReadyHook(DataParallel& owner, std::size_t parameter) : owner_(owner), parameter_(parameter) {}
  void operator()(const at::Tensor& /*parameter*/) override { owner_.is_ready(parameter_); }

 private:
  DataParallel& owner_;
  const std::size_t parameter_;
};

DataParallel::DataParallel(swarm::Group& group, std::vector<NamedTensor> parameters,
                           recipe::Rule rule, bool through_host)
    : group_(group),
      tensors_(parameters, recipe::balanced_owners(shapes_of(parameters), rule, group.size()),
               group.size()),
      device_(parameters.front().value.device()),
      between_devices_(!through_host && tensor::Communicator::why_not(device_).empty()),
      progress_(tensors_.buckets.size()),
      exchange_(between_devices_ ? make_device_exchange(group, tensors_)
                                 : make_host_exchange(group, tensors_)) {
  PANAL_REQUIRE(parameters.size() >= static_cast<std::size_t>(group.size()),
                fmt::format("each process must own a tensor of the model: expected at most {} "
                            "processes, found {}",
                            parameters.size(), group.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (tensors_.owners[i] == group.rank()) owned_.push_back(parameters[i]);
    torch::autograd::impl::set_post_acc_grad_hooks(parameters[i].value,
                                                   std::make_unique<ReadyHook>(*this, i));
  }
  thread_ = std::thread([this] { communicate(); });
}

DataParallel::~DataParallel() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  exchange_->cancel();
  changed_.notify_all();
  thread_.join();
  for (const auto& parameter : tensors_.parameters) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter.value, nullptr);
  }
}

void DataParallel::begin_exchange() {
  for (std::size_t i = 0; i < progress_.size(); ++i) {
    progress_[i] = {.missing = tensors_.buckets[i].members.size()};
  }
  exchanging_ = true;
  {
    const MutexLock lock(mutex_);
    ready_ = exchanged_ = 0;
    in_pass_ = status_.ok();
  }
  changed_.notify_all();
}

// Buckets leave in their order on all ranks, whatever the order of the backward pass.
void DataParallel::is_ready(std::size_t parameter) {
  if (!exchanging_) return;
  Progress& own = progress_[tensors_.bucket_of[parameter]];
  if (own.missing > 0) --own.missing;
  if (own.missing == 0) own.computed = tensor::Event::record(device_);
  {
    const MutexLock lock(mutex_);
    while (ready_ < progress_.size() && progress_[ready_].missing == 0) ++ready_;
  }
  changed_.notify_all();
}

void DataParallel::finish_exchange() {
  exchanging_ = false;
  const auto pass = tensor::Event::record(device_);
  const MutexLock lock(mutex_);
  for (Progress& bucket : progress_) {
    if (bucket.missing > 0) bucket.computed = pass;  // A missing gradient counts as 0.
  }
  ready_ = progress_.size();
  changed_.notify_all();
  // Its deadline is the group's.
  while (in_pass_) changed_.wait(mutex_);
  ok_or_throw(status_);
  for (std::size_t i = 0; i < tensors_.parameters.size(); ++i) {
    if (tensors_.owners[i] != group_.rank()) {
      at::Tensor value = tensors_.parameters[i].value;
      value.mutable_grad() = at::Tensor();
    }
  }
}

bool DataParallel::has_work() const {
  return ends_ || (in_pass_ && (exchanged_ < ready_ || exchanged_ == progress_.size()));
}

// Until a pass has ended the group is this thread's.
void DataParallel::communicate() {
  tensor::enter(device_);
  const MutexLock lock(mutex_);
  while (true) {
    const bool glances = in_pass_;
    for (Nanoseconds left = kBetweenGlances; !has_work() && left > 0ns;) {
      if (glances) {
        left = changed_.wait_for(mutex_, left);
      } else {
        changed_.wait(mutex_);
      }
    }
    if (ends_) return;
    const std::size_t bucket = exchanged_;
    const bool may_leave = bucket < ready_;
    Status status;
    {
      const MutexUnlock unlocked(mutex_);
      status = capture([&] { return communicate_once(bucket, may_leave); });
    }
    if (!status.ok()) status_ = std::move(status);
    if (!status_.ok() || bucket == progress_.size()) in_pass_ = false;
    if (may_leave) ++exchanged_;
    changed_.notify_all();
  }
}

Status DataParallel::communicate_once(std::size_t bucket, bool may_leave) {
  if (bucket == progress_.size()) return exchange_->finish_pass();
  if (!may_leave) return exchange_->look_after_others();
  return exchange_->reduce(tensors_.buckets[bucket], progress_[bucket].computed);
}

double DataParallel::gradient_norm() {
  const double own = optim::gradient_norm(owned_);
  return std::sqrt(sum(own * own));
}

double DataParallel::sum(double value) { return value_or_throw(group_.sum(value)); }

double DataParallel::largest(double value) {
  std::vector<double> all(static_cast<std::size_t>(group_.size()));
  all[static_cast<std::size_t>(group_.rank())] = value;
  const auto bytes = std::as_writable_bytes(std::span(all));
  ok_or_throw(group_.all_gather_bytes(bytes, swarm::equal_parts(bytes.size(), group_.size())));
  return *std::ranges::max_element(all);
}

void DataParallel::largest(std::span<float> values) {
  const auto size = static_cast<std::size_t>(group_.size());
  std::vector<float> all(values.size() * size);
  std::ranges::copy(values, all.begin() + group_.rank() * std::ssize(values));
  ok_or_throw(group_.all_gather(all, swarm::equal_parts(all.size(), group_.size())));
  for (std::size_t i = 0; i < all.size(); ++i) {
    float& value = values[i % values.size()];
    value = std::max(value, all[i]);
  }
}

StepVerdict DataParallel::of_first_rank(StepVerdict verdict) {
  ok_or_throw(group_.broadcast_bytes(std::as_writable_bytes(std::span(&verdict, 1)), 0));
  return verdict;
}

std::vector<bool> DataParallel::is_owned() const {
  std::vector<bool> is_owned;
  for (const int owner : tensors_.owners) is_owned.push_back(owner == group_.rank());
  return is_owned;
}

void DataParallel::share_weights() { ok_or_throw(exchange_->share_weights()); }

void DataParallel::broadcast_weights() { ok_or_throw(exchange_->broadcast_weights()); }

Result<std::string> broadcast_text(swarm::Group& group, std::string text) {
  std::uint64_t length = text.size();
  PANAL_TRY(group.broadcast_bytes(std::as_writable_bytes(std::span(&length, 1)), 0));
  constexpr std::uint64_t kMostBytes = 16 << 20;
  if (length > kMostBytes) {
    return Status(Code::kCorrupt,
                  fmt::format("what rank 0 tells the others must have at most {} bytes, found {}",
                              kMostBytes, length));
  }
  text.resize(length);
  PANAL_TRY(group.broadcast_bytes(std::as_writable_bytes(std::span(text)), 0));
  return text;
}

SignOfLife::SignOfLife(swarm::Group* group) {
  if (group == nullptr || group->size() == 1) return;
  thread_ = std::thread([this, group] {
    const MutexLock lock(mutex_);
    while (!ends_within(group->deadline() / 4)) group->announce_life();
  });
}

bool SignOfLife::ends_within(Nanoseconds duration) {
  while (!ends_ && duration > 0ns) duration = changed_.wait_for(mutex_, duration);
  return ends_;
}

SignOfLife::~SignOfLife() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace panal::train::detail
