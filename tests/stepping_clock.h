// A clock for what is measured: all that happens between two looks takes one step.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace panal::test {

/// Goes on by a step at every look; thread-safe.
class SteppingClock final : public Clock {
 public:
  explicit SteppingClock(Nanoseconds step) : step_(step) {}
  Nanoseconds steady_now() const override { return step_ * looks_++; }
  std::int64_t unix_ms() const override { return 0; }
  void sleep_for(Nanoseconds) override {}

 private:
  const Nanoseconds step_;
  mutable std::atomic<std::int64_t> looks_ = 0;
};

}  // namespace panal::test
