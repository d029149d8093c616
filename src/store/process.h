// Which process is meant, also after its number was given to another one: number and start time
// together. Whoever leaves something behind (temp files, running jobs) writes this down, so that
// others can tell leftovers from work in progress.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::store {

struct ProcessIdentity {
  std::int64_t pid = 0;
  std::int64_t start_ticks =
      0;  // Of the kernel's clock since boot; 0 where the system does not tell.

  bool operator==(const ProcessIdentity&) const = default;
};

/// Asked anew on every call, so that it is right after fork().
ProcessIdentity this_process();
/// The process with this number now; start_ticks 0 when there is none.
ProcessIdentity process_with_pid(std::int64_t pid);
/// False when the process ended, or another one has its number now.
bool is_alive(const ProcessIdentity& process);

/// Asks it to end (SIGTERM); never another one that has its number by now. Errors: kNotFound when
/// it is gone, kUnavailable when that is not allowed.
Status ask_to_end(const ProcessIdentity& process);

/// "4711-99120" and back; pid 0 when the text is no identity.
std::string to_text(const ProcessIdentity& process);
ProcessIdentity process_from_text(std::string_view text);

}  // namespace panal::store
