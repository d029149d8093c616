// What a full disk does to a run: it pauses, says what is missing, and tries again with growing
// waits until there is room, somebody stops the run or its time is over.
#pragma once

#include <functional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace panal::train::detail {

class DiskPatience {
 public:
  /// `gives_up` is asked at least every quarter of a second of waiting.
  DiskPatience(Clock& clock, std::function<bool()> gives_up,
               std::function<void(std::string_view)> message);

  /// Repeats `work` while it fails with kResourceExhausted, after waits of 1, 2, 4, ... 60 seconds.
  /// Returns its first other outcome, or the full disk's error when giving up.
  Status keep_trying(const std::function<Status()>& work);

 private:
  bool waits(double wait_seconds);  // False: gave up.

  Clock& clock_;  // Outlives the run.
  const std::function<bool()> gives_up_;
  const std::function<void(std::string_view)> message_;
};

}  // namespace panal::train::detail
