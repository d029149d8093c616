// Optimizer states whose home is the host's memory: they are on the parameters' device only while
// their parameter is updated. The next parameter's come while one is updated, so a device holds the
// states of two parameters at a time and, where the update takes as long as the way, waits for
// neither.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
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

  /// Begins to copy them to `device`. Costs their memory there until they are released.
  void bring(const at::Device& device);
  /// What is put into the current stream from here on finds them in their handles.
  void wait_until_here();
  /// Begins to copy them home, after what is in the current stream now.
  void send_home();
  /// The host waits until they are at home; the handles are empty again.
  void release();

 private:
  /// In the copies' own stream, after what is in the current one now.
  void copy_after_current(const std::vector<at::Tensor>& from, const std::vector<at::Tensor>& to);

  struct Line;  // The copies' own stream and the events between it and the current one.
  std::vector<at::Tensor> handles_, homes_;
  std::shared_ptr<Line> line_;  // Null on the CPU.
};

}  // namespace panal::optim::detail
