#include "optim/detail/state_stream.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "tensor/event.h"

namespace panal::optim::detail {
namespace {

constexpr std::int64_t kAlignment = 256;

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void empty(const at::Tensor& handle) { handle.set_data(at::empty({0}, handle.options())); }

// Copies that go on beside what is computed: a stream of their own on a CUDA device. On the CPU
// everything happens at once.
class Copies {
 public:
  explicit Copies(const c10::Device& device) {
    if (device.is_cuda()) line_.emplace(device);
  }
  // Also after a failure: the rooms must not go before the last copy.
  ~Copies() {
    try {
      finish();
    } catch (...) {  // Whoever uses the device next is told again.
    }
  }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;

  /// What is put into the copies' stream from here on comes after what the current one has now.
  void wait_for_current() {
    if (line_) tensor::Event::record(line_->device).block(line_->copies);
  }
  template <typename Work>
  void run(const Work& work) {
    std::optional<c10::StreamGuard> in_copies;
    if (line_) in_copies.emplace(line_->copies);
    work();
  }
  /// Marks that states are in that room; let_current_wait() has the current stream wait for it.
  void have_come(std::size_t room) {
    if (line_) line_->come[room] = tensor::Event::record(line_->copies);
  }
  void let_current_wait(std::size_t room) {
    if (line_) line_->come[room].block(line_->guard.getStream(line_->device));
  }
  void finish() {
    if (line_) line_->copies.synchronize();
  }

 private:
  struct Line {
    explicit Line(const c10::Device& place)
        : guard(place.type()),
          device(place),
          copies(guard.getStreamFromGlobalPool(place, /*isHighPriority=*/false)) {}

    c10::impl::VirtualGuardImpl guard;
    c10::Device device;
    c10::Stream copies;
    std::array<tensor::Event, 2> come{};
  };
  std::optional<Line> line_;
};

// Every second one goes through the same room: both of the two largest are at even places, between
// others of falling size, so that a way is about as long as the update beside it.
std::vector<std::size_t> order_of(std::span<AwayStates* const> states) {
  std::vector<std::size_t> order(states.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return states[a]->room_bytes() > states[b]->room_bytes();
  });
  if (order.size() < 3) return order;
  const auto last_even = static_cast<std::ptrdiff_t>((order.size() - 1) / 2 * 2);
  std::rotate(order.begin() + 1, order.begin() + 2, order.begin() + last_even + 1);
  return order;
}

}  // namespace

AwayStates::AwayStates(std::vector<at::Tensor> handles) : handles_(std::move(handles)) {
  const at::NoGradGuard no_gradients;
  for (const at::Tensor& handle : handles_) {
    homes_.push_back(
        at::empty(handle.sizes(),
                  at::TensorOptions().dtype(handle.scalar_type()).pinned_memory(handle.is_cuda())));
    homes_.back().copy_(handle);
    empty(handle);
  }
}

std::int64_t AwayStates::room_bytes() const {
  std::int64_t bytes = 0;
  for (const at::Tensor& home : homes_) bytes += aligned(static_cast<std::int64_t>(home.nbytes()));
  return bytes;
}

void AwayStates::come(const at::Tensor& room) {
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < handles_.size(); ++i) {
    const at::Tensor& home = homes_[i];
    const auto bytes = static_cast<std::int64_t>(home.nbytes());
    const at::Tensor place =
        room.narrow(0, begin, bytes).view(home.scalar_type()).view(home.sizes());
    place.copy_(home, /*non_blocking=*/true);
    handles_[i].set_data(place);
    begin += aligned(bytes);
  }
}

void AwayStates::go_home() {
  for (std::size_t i = 0; i < handles_.size(); ++i) {
    homes_[i].copy_(handles_[i], /*non_blocking=*/true);
    empty(handles_[i]);
  }
}

void visit_away_states(std::span<AwayStates* const> states, const c10::Device& device,
                       const std::function<void(std::size_t)>& visit) {
  if (states.empty()) return;
  const at::NoGradGuard no_gradients;
  const std::vector<std::size_t> order = order_of(states);
  const auto room_for = [&](std::size_t first) {
    std::int64_t bytes = 0;
    for (std::size_t i = first; i < order.size(); i += 2)
      bytes = std::max(bytes, states[order[i]]->room_bytes());
    return at::empty({bytes}, at::TensorOptions().dtype(at::kByte).device(device));
  };
  const std::array<at::Tensor, 2> rooms = {room_for(0), room_for(1)};
  Copies copies(device);
  const auto bring = [&](std::size_t place) {
    copies.run([&] { states[order[place]]->come(rooms[place % 2]); });
    copies.have_come(place % 2);
  };
  copies.wait_for_current();  // The rooms' memory may be in use by what was computed before.
  bring(0);
  for (std::size_t place = 0; place < order.size(); ++place) {
    copies.let_current_wait(place % 2);
    // After the one that has left the other room, while this one is updated.
    if (place + 1 < order.size()) bring(place + 1);
    visit(order[place]);
    copies.wait_for_current();
    copies.run([&] { states[order[place]]->go_home(); });
  }
  copies.finish();
}

}  // namespace panal::optim::detail
