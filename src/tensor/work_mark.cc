#include "tensor/work_mark.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace panal::tensor {

WorkMark WorkMark::after_current_work(const c10::Device& device) {
  if (device.is_cpu()) return {};
  return after_work_of(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
}

WorkMark WorkMark::after_work_of(const c10::Stream& stream) {
  WorkMark mark;
  mark.event_ = std::make_shared<c10::Event>(stream.device_type());
  mark.event_->record(stream);
  return mark;
}

bool WorkMark::is_reached() const { return !event_ || event_->query(); }

void WorkMark::wait() const {
  if (event_) event_->synchronize();
}

void WorkMark::hold_back(const c10::Stream& stream) const {
  if (event_) event_->block(stream);
}

}  // namespace panal::tensor
