#include "train/detail/data_parallel.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "tensor/device.h"

namespace panal::train::detail {
namespace {

using tensor::NamedTensor;

// Large enough that a call's overhead does not count, small enough that the first leaves early.
constexpr std::int64_t kBucketElements = 1 << 20;

// FLOPs of an update, roughly.
double update_cost(const NamedTensor& parameter, optim::Rule rule) {
  constexpr double kPassFlopsPerElement = 20;
  constexpr int kUsualSteps = 5;
  const auto elements = static_cast<double>(parameter.value.numel());
  double cost = 1 + kPassFlopsPerElement * elements;
  if (rule != optim::Rule::kAdamW && optim::is_hidden_matrix(parameter)) {
    const auto rows = static_cast<double>(parameter.value.size(0));
    cost += optim::orthogonalization_flops(rows, elements / rows, kUsualSteps);
  }
  return cost;
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  PANAL_REQUIRE(tensor.is_contiguous() && tensor.device().is_cpu(),
                "ranks exchange contiguous tensors on the CPU, found another kind");
  return {static_cast<std::byte*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

using TensorsByName = std::map<std::string, at::Tensor>;

TensorsByName by_name(const std::vector<NamedTensor>& tensors) {
  TensorsByName found;
  for (const auto& entry : tensors) found[entry.name] = entry.value;
  return found;
}

// Everybody gets what `root` has. From and to a CUDA device the bytes go through the host's memory.
Status broadcast_tensor(swarm::Group& group, const at::Tensor& tensor, int root) {
  if (tensor.device().is_cpu()) return group.broadcast_bytes(bytes_of(tensor), root);
  const bool is_root = group.rank() == root;
  const at::Tensor host = is_root ? tensor.detach().to(at::kCPU).contiguous()
                                  : at::empty(tensor.sizes(), tensor.scalar_type());
  PANAL_TRY(group.broadcast_bytes(bytes_of(host), root));
  if (!is_root) tensor.detach().copy_(host);
  return Status();
}

// The same for a state tensor: in the whole optimizer, which rank 0 has, in this rank's own, or
// only in passing.
Status broadcast_state(swarm::Group& group, const std::string& name, std::size_t bytes, int root,
                       const TensorsByName& all, const TensorsByName& owned,
                       std::vector<std::byte>& passing) {
  for (const TensorsByName* tensors : {&all, &owned}) {
    const auto found = tensors->find(name);
    if (found != tensors->end()) return broadcast_tensor(group, found->second, root);
  }
  passing.resize(bytes);
  return group.broadcast_bytes(passing, root);
}

}  // namespace

std::vector<int> balanced_owners(std::span<const NamedTensor> parameters, optim::Rule rule,
                                 int num_ranks) {
  std::vector<double> costs;
  for (const auto& parameter : parameters) costs.push_back(update_cost(parameter, rule));
  std::vector<std::size_t> order(parameters.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return costs[a] > costs[b]; });
  std::vector<double> work(static_cast<std::size_t>(num_ranks), 0.0);
  std::vector<int> owners(parameters.size());
  for (const std::size_t index : order) {
    const auto least = std::ranges::min_element(work);
    owners[index] = static_cast<int>(least - work.begin());
    *least += costs[index];
  }
  return owners;
}

std::vector<std::vector<std::size_t>> gradient_buckets(std::span<const NamedTensor> parameters) {
  std::vector<std::vector<std::size_t>> buckets;
  std::int64_t elements = kBucketElements;
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const std::int64_t count = parameters[i].value.numel();
    if (elements + count > kBucketElements) {
      buckets.emplace_back();
      elements = 0;
    }
    elements += count;
    buckets.back().push_back(i);
  }
  return buckets;
}

std::pair<std::int64_t, std::int64_t> rows_of_rank(std::int64_t sequences, int rank,
                                                   int num_ranks) {
  return {sequences * rank / num_ranks, sequences * (rank + 1) / num_ranks};
}

// Some parameters' gradients (later weights) end to end, those of rank 0 first.
struct DataParallel::Bucket {
  std::vector<std::size_t> members;
  std::vector<std::size_t> begins;  // By member.
  std::vector<std::size_t> ends;    // By rank.
  std::size_t size = 0;
  std::size_t missing = 0;  // Members whose gradient is not there yet.
  /// On a CUDA device: when it has computed the last of them.
  std::shared_ptr<c10::Event> computed{};

  std::span<float> place_of(std::size_t member, const at::Tensor& tensor,
                            std::span<float> values) const {
    return values.subspan(begins[member], static_cast<std::size_t>(tensor.numel()));
  }
};

class DataParallel::ReadyHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  ReadyHook(DataParallel& owner, std::size_t parameter) : owner_(owner), parameter_(parameter) {}
  void operator()(const at::Tensor& /*parameter*/) override { owner_.is_ready(parameter_); }

 private:
  DataParallel& owner_;
  const std::size_t parameter_;
};

DataParallel::DataParallel(swarm::Group& group, std::vector<NamedTensor> parameters,
                           optim::Rule rule)
    : group_(group),
      parameters_(std::move(parameters)),
      device_(parameters_.front().value.device()),
      owners_(balanced_owners(parameters_, rule, group.size())) {
  PANAL_REQUIRE(parameters_.size() >= static_cast<std::size_t>(group.size()),
                fmt::format("each process must own a tensor of the model: expected at most {} "
                            "processes, found {}",
                            parameters_.size(), group.size()));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (owners_[i] == group.rank()) owned_.push_back(parameters_[i]);
  }
  make_buckets();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameters_[i].value,
                                                   std::make_unique<ReadyHook>(*this, i));
  }
  thread_ = std::thread([this] { communicate(); });
}

DataParallel::~DataParallel() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
  for (const auto& parameter : parameters_) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter.value, nullptr);
  }
}

void DataParallel::make_buckets() {
  bucket_of_.resize(parameters_.size());
  std::size_t largest = 0;
  for (auto& members : gradient_buckets(parameters_)) {
    Bucket& bucket = buckets_.emplace_back();
    bucket.members = std::move(members);
    std::ranges::stable_sort(bucket.members,
                             [&](std::size_t a, std::size_t b) { return owners_[a] < owners_[b]; });
    bucket.ends.assign(static_cast<std::size_t>(group_.size()), 0);
    std::size_t place = 0;
    for (const std::size_t member : bucket.members) {
      bucket_of_[member] = buckets_.size() - 1;
      bucket.begins.push_back(place);
      place += static_cast<std::size_t>(parameters_[member].value.numel());
      bucket.ends[static_cast<std::size_t>(owners_[member])] = place;
    }
    for (std::size_t rank = 1; rank < bucket.ends.size(); ++rank) {
      bucket.ends[rank] = std::max(bucket.ends[rank], bucket.ends[rank - 1]);
    }
    bucket.size = place;
    largest = std::max(largest, place);
  }
  passing_ = at::empty({static_cast<std::int64_t>(largest)}, at::kFloat);
}

std::span<float> DataParallel::passing(std::size_t size) const {
  return {passing_.data_ptr<float>(), size};
}

void DataParallel::begin_exchange() {
  for (Bucket& bucket : buckets_) bucket.missing = bucket.members.size();
  exchanging_ = true;
  const std::lock_guard lock(mutex_);
  ready_ = exchanged_ = 0;
}

// Buckets leave in their order on all ranks, whatever the order of the backward pass.
void DataParallel::is_ready(std::size_t parameter) {
  if (!exchanging_) return;
  Bucket& own = buckets_[bucket_of_[parameter]];
  if (own.missing > 0) --own.missing;
  if (own.missing == 0 && device_.is_cuda()) {
    own.computed = std::make_shared<c10::Event>(device_.type());
    own.computed->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  }
  {
    const std::lock_guard lock(mutex_);
    while (ready_ < buckets_.size() && buckets_[ready_].missing == 0) ++ready_;
  }
  changed_.notify_all();
}

void DataParallel::finish_exchange() {
  exchanging_ = false;
  tensor::finish_work(device_);  // Also for buckets that lack a gradient, and have no event.
  std::unique_lock lock(mutex_);
  ready_ = buckets_.size();  // A parameter without a gradient counts as 0.
  changed_.notify_all();
  // Its deadline is the group's.
  changed_.wait(lock, [&] { return exchanged_ == buckets_.size() || !status_.ok(); });
  ok_or_throw(status_);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (owners_[i] != group_.rank()) {
      at::Tensor value = parameters_[i].value;
      value.mutable_grad() = at::Tensor();
    }
  }
}

void DataParallel::communicate() {
  tensor::enter(device_);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ends_ || (exchanged_ < ready_ && status_.ok()); });
    if (ends_) return;
    const Bucket& bucket = buckets_[exchanged_];
    lock.unlock();
    Status status = capture([&] { return exchange(bucket); });
    lock.lock();
    if (status.ok()) {
      ++exchanged_;
    } else {
      status_ = std::move(status);
    }
    changed_.notify_all();
  }
}

// Plain copies where that is possible: torch's would wake a second pool of compute threads beside
// the backward pass.
Status DataParallel::exchange(const Bucket& bucket) {
  const at::NoGradGuard no_gradients;
  const std::span<float> values = passing(bucket.size);
  if (bucket.computed) bucket.computed->synchronize();
  for (std::size_t i = 0; i < bucket.members.size(); ++i) {
    const at::Tensor& value = parameters_[bucket.members[i]].value;
    const at::Tensor& gradient = value.grad();
    const std::span<float> place = bucket.place_of(i, value, values);
    if (!gradient.defined()) {
      std::ranges::fill(place, 0.0f);
      continue;
    }
    if (gradient.is_cpu() && gradient.scalar_type() == at::kFloat && gradient.is_contiguous()) {
      std::memcpy(place.data(), gradient.data_ptr<float>(), place.size_bytes());
    } else {
      at::from_blob(place.data(), value.sizes(), at::kFloat).copy_(gradient);
    }
  }
  PANAL_TRY(group_.reduce_scatter(values, bucket.ends));
  for (std::size_t i = 0; i < bucket.members.size(); ++i) {
    if (owners_[bucket.members[i]] != group_.rank()) continue;
    at::Tensor value = parameters_[bucket.members[i]].value;
    if (!value.grad().defined()) value.mutable_grad() = at::empty_like(value);
    at::Tensor& gradient = value.mutable_grad();
    const std::span<float> place = bucket.place_of(i, value, values);
    if (gradient.is_cpu() && gradient.scalar_type() == at::kFloat && gradient.is_contiguous()) {
      std::memcpy(gradient.data_ptr<float>(), place.data(), place.size_bytes());
    } else {
      gradient.copy_(at::from_blob(place.data(), value.sizes(), at::kFloat));
    }
  }
  return Status();
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
  for (const int owner : owners_) is_owned.push_back(owner == group_.rank());
  return is_owned;
}

void DataParallel::share_weights() {
  const at::NoGradGuard no_gradients;
  for (const Bucket& bucket : buckets_) {
    const std::span<float> values = passing(bucket.size);
    const auto copy = [&](bool is_own) {
      for (std::size_t i = 0; i < bucket.members.size(); ++i) {
        if ((owners_[bucket.members[i]] == group_.rank()) != is_own) continue;
        at::Tensor value = parameters_[bucket.members[i]].value;
        const std::span<float> place = bucket.place_of(i, value, values);
        // bfloat16 weights travel as float32 and come back as they were.
        at::Tensor there = at::from_blob(place.data(), value.sizes(), at::kFloat);
        if (is_own) {
          there.copy_(value);
        } else {
          value.copy_(there);
        }
      }
    };
    copy(true);
    ok_or_throw(group_.all_gather(values, bucket.ends));
    copy(false);
  }
}

// State tensors are named "<rule>.<what>/<parameter>".
int DataParallel::owner_of_state(std::string_view name) const {
  const std::string_view parameter = name.substr(std::min(name.size(), name.find('/') + 1));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].name == parameter) return owners_[i];
  }
  return 0;
}

// Rank 0 alone knows the whole state; the others learn what there is, in its order.
std::vector<DataParallel::StateTensor> DataParallel::agreed_state(const optim::Optimizer* whole) {
  Json list = Json::array();
  if (whole != nullptr) {
    for (const auto& entry : whole->state()) list.push_back({entry.name, entry.value.nbytes()});
  }
  constexpr std::string_view kWhere = "state of rank 0";
  const std::string text = value_or_throw(broadcast_text(group_, to_line(list)));
  const Json told = value_or_throw(parse_json(text, kWhere));
  std::vector<StateTensor> agreed;
  for (const Json& entry : told) {
    PANAL_REQUIRE(entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                      entry[1].is_number_unsigned(),
                  "rank 0's state must be named tensors with their bytes, found another thing");
    agreed.push_back({entry[0].get<std::string>(), entry[1].get<std::size_t>()});
  }
  return agreed;
}

void DataParallel::gather_state(const optim::Optimizer& own, optim::Optimizer* whole) {
  const at::NoGradGuard no_gradients;
  const auto owned = by_name(own.state());
  const auto all = by_name(whole == nullptr ? std::vector<NamedTensor>() : whole->state());
  std::vector<std::byte> passing;
  for (const auto& [name, bytes] : agreed_state(whole)) {
    const auto mine = owned.find(name);
    if (whole != nullptr && mine != owned.end()) all.at(name).copy_(mine->second);
    ok_or_throw(broadcast_state(group_, name, bytes, owner_of_state(name), all, owned, passing));
  }
  if (whole != nullptr) whole->set_num_steps(own.num_steps());
}

void DataParallel::scatter_state(const optim::Optimizer* whole, optim::Optimizer& own) {
  const at::NoGradGuard no_gradients;
  const auto owned = by_name(own.state());
  const auto all = by_name(whole == nullptr ? std::vector<NamedTensor>() : whole->state());
  std::vector<std::byte> passing;
  for (const auto& [name, bytes] : agreed_state(whole)) {
    ok_or_throw(broadcast_state(group_, name, bytes, 0, all, owned, passing));
    const auto mine = owned.find(name);
    if (whole != nullptr && mine != owned.end()) mine->second.copy_(all.at(name));
  }
  std::int64_t steps = whole == nullptr ? 0 : whole->num_steps();
  ok_or_throw(group_.broadcast_bytes(std::as_writable_bytes(std::span(&steps, 1)), 0));
  own.set_num_steps(steps);
}

void DataParallel::broadcast_weights() {
  const at::NoGradGuard no_gradients;
  for (const auto& parameter : parameters_) {
    ok_or_throw(broadcast_tensor(group_, parameter.value, 0));
  }
}

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
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, group->deadline() / 4, [this] { return ends_; })) {
      group->announce_life();
    }
  });
}

SignOfLife::~SignOfLife() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace panal::train::detail
