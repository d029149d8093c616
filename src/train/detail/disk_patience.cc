#include "train/detail/disk_patience.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace panal::train::detail {
namespace {

constexpr double kFirstWaitSeconds = 1;
constexpr double kLongestWaitSeconds = 60;
constexpr std::chrono::milliseconds kSlice{250};

}  // namespace

DiskPatience::DiskPatience(Clock& clock, std::function<bool()> gives_up,
                           std::function<void(std::string_view)> message)
    : clock_(clock), gives_up_(std::move(gives_up)), message_(std::move(message)) {}

bool DiskPatience::waits(double wait_seconds) {
  const Nanoseconds begin = clock_.steady_now();
  while (seconds(clock_.steady_now() - begin) < wait_seconds) {
    if (gives_up_()) return false;
    clock_.sleep_for(kSlice);
  }
  return !gives_up_();
}

Status DiskPatience::keep_trying(const std::function<Status()>& work) {
  double wait_seconds = kFirstWaitSeconds;
  Status status = work();
  if (status.code() != Code::kResourceExhausted) return status;
  do {
    message_(fmt::format("training pauses: {}; trying again in {:.0f} s", status.message(),
                         wait_seconds));
    if (!waits(wait_seconds)) {
      return status.with_context("the run ended while it waited for room on the disk");
    }
    wait_seconds = std::min(2 * wait_seconds, kLongestWaitSeconds);
    status = work();
  } while (status.code() == Code::kResourceExhausted);
  if (status.ok()) message_("there is room on the disk again: training goes on");
  return status;
}

}  // namespace panal::train::detail
