// Another program that wants a core, for `panal bench contention`: a child that counts and does
// nothing else.
#pragma once

#include <sys/types.h>

#include <memory>

#include "base/result.h"

namespace panal::engine {

/// Lives as long as the object, at most as long as the thread that made it. One thread at a time.
class BusyProcess {
 public:
  /// Forks, so it comes before the tensors: pages that both have are copied when they are written
  /// to. It stands still at first.
  static Result<std::unique_ptr<BusyProcess>> start();
  ~BusyProcess();
  BusyProcess(const BusyProcess&) = delete;
  BusyProcess& operator=(const BusyProcess&) = delete;

  void set_busy(bool is_busy);

 private:
  explicit BusyProcess(pid_t child) : child_(child) {}
  const pid_t child_;
};

}  // namespace panal::engine
