// What a call to the hive tells while it works. Values only: whoever listens may stand in another
// process or on another machine.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <utility>

#include "work/job_event.h"

namespace panal::hub {

struct Event {
  std::string activity;  // What is going on, for people: "checking every tensor".
  decltype(work::JobEvent::event) what;
};

/// Who follows a call, and how it is stopped. Listens on the thread of the call.
struct Watch {
  std::function<void(const Event&)> on_event{};  // May be empty: nobody follows.
  std::stop_token stop{};

  template <typename What>
  void tell(std::string activity, What&& what) const {
    if (on_event) on_event(Event{std::move(activity), std::forward<What>(what)});
  }
};

}  // namespace panal::hub
