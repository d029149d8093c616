#include "tensor/event.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace panal::tensor {

Event Event::record(const c10::Device& device) {
  if (device.is_cpu()) return {};
  return record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
}

Event Event::record(const c10::Stream& stream) {
  Event event;
  event.event_ = std::make_shared<c10::Event>(stream.device_type());
  event.event_->record(stream);
  return event;
}

bool Event::is_complete() const { return !event_ || event_->query(); }

void Event::synchronize() const {
  if (event_) event_->synchronize();
}

void Event::block(const c10::Stream& stream) const {
  if (event_) event_->block(stream);
}

}  // namespace panal::tensor
