#include "optim/detail/state_stream.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

namespace panal::optim::detail {

struct AwayStates::Line {
  explicit Line(const at::Device& device)
      : guard(device.type()),
        device(device),
        copies(guard.getStreamFromGlobalPool(device, /*isHighPriority=*/false)),
        event(device.type()) {}

  c10::Stream current() const { return guard.getStream(device); }
  void let_wait(const c10::Stream& waiting, const c10::Stream& for_stream) {
    event.record(for_stream);
    event.block(waiting);
  }

  c10::impl::VirtualGuardImpl guard;
  at::Device device;
  c10::Stream copies;
  c10::Event event;
};

namespace {

void empty(const at::Tensor& handle) { handle.set_data(at::empty({0}, handle.options())); }

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

void AwayStates::bring(const at::Device& device) {
  const at::NoGradGuard no_gradients;
  if (device.is_cuda() && !line_) line_ = std::make_shared<Line>(device);
  for (std::size_t i = 0; i < handles_.size(); ++i) {
    handles_[i].set_data(at::empty(homes_[i].sizes(), handles_[i].options().device(device)));
  }
  // The memory may still be in use by what was put into the current stream before.
  copy_after_current(homes_, handles_);
}

void AwayStates::copy_after_current(const std::vector<at::Tensor>& from,
                                    const std::vector<at::Tensor>& to) {
  std::optional<c10::StreamGuard> on_copies;
  if (line_) {
    line_->let_wait(line_->copies, line_->current());
    on_copies.emplace(line_->copies);
  }
  for (std::size_t i = 0; i < from.size(); ++i) to[i].copy_(from[i], /*non_blocking=*/true);
}

void AwayStates::wait_until_here() {
  if (line_) line_->let_wait(line_->current(), line_->copies);
}

void AwayStates::send_home() {
  const at::NoGradGuard no_gradients;
  copy_after_current(handles_, homes_);
}

void AwayStates::release() {
  if (line_) line_->copies.synchronize();
  for (const at::Tensor& handle : handles_) empty(handle);
}

}  // namespace panal::optim::detail
