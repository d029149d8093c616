// A point in the work that a device was given: what comes later, in another stream or on the host,
// can wait for it.
#pragma once

#include <c10/core/Device.h>

#include <memory>

namespace c10 {
struct Event;  // c10/core/Event.h
class Stream;  // c10/core/Stream.h
}  // namespace c10

namespace panal::tensor {

/// Copies mean the same point. A CPU never owes any work: there, and for a fresh one, the point is
/// reached. One thread at a time.
class Event {
 public:
  Event() = default;
  /// After all that is in the stream which the calling thread uses on the device now.
  static Event record(const c10::Device& device);
  static Event record(const c10::Stream& stream);

  /// Throws what went wrong on the device.
  bool is_complete() const;
  /// The host waits.
  void synchronize() const;
  /// What is put into `stream` from here on waits.
  void block(const c10::Stream& stream) const;

 private:
  std::shared_ptr<c10::Event> event_;  // Its owners: the copies.
};

}  // namespace panal::tensor
