// Optimizer states whose home is the host's memory: they are on the parameters' device only while
// their parameter is updated. The next parameter's come while one is updated and the one before
// goes home, so a device holds the states of two parameters at a time and, where the update takes
// as long as both ways, waits for neither.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace panal::optim::detail {

/// The states of one parameter. Whoever holds a handle of one sees it come and go: away it has no
/// elements. Not thread-safe.
class AwayStates {
 public:
  /// Takes the states home; their handles are empty from then on. On a CUDA device the homes are
  /// pinned memory, which the device copies from and to by itself.
  explicit AwayStates(std::vector<at::Tensor> handles);

  /// Where each state is at home, in the order of the handles: what is saved and loaded.
  const std::vector<at::Tensor>& homes() const { return homes_; }
  /// What they take of a room on a device.
  std::int64_t room_bytes() const;

  /// Copies them into `room` (uint8, at least room_bytes()), as part of the current stream, and has
  /// the handles be those places.
  void come(const at::Tensor& room);
  /// Copies them home, as part of the current stream; the handles are empty again.
  void go_home();

 private:
  std::vector<at::Tensor> handles_, homes_;
};

/// Calls visit(i) for each of the states, in an order of its own, with states[i] on `device` for
/// what visit() puts into the current stream. The host waits at the end, until all are at home.
/// Memory there: the largest states and the third largest, because the two largest (tables) go
/// through the same room.
void visit_away_states(std::span<AwayStates* const> states, const c10::Device& device,
                       const std::function<void(std::size_t)>& visit);

}  // namespace panal::optim::detail
