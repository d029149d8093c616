#include "store/process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>

namespace panal::store {
namespace {

/// Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and brackets: count from its
/// last ')'.
std::int64_t start_ticks_of(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return 0;
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return 0;  // It ended; only its parent has not noticed yet.
  std::int64_t value = 0;
  for (int field = 4; field <= 22 && fields >> value; ++field) continue;
  return fields ? value : 0;
}

bool parse(std::string_view text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0;
}

}  // namespace

ProcessIdentity process_with_pid(std::int64_t pid) { return {pid, start_ticks_of(pid)}; }

ProcessIdentity this_process() { return process_with_pid(::getpid()); }

bool is_alive(const ProcessIdentity& process) {
  if (process.pid <= 0) return false;
  // EPERM: there is such a process, of another user.
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno != EPERM) return false;
  return process.start_ticks == 0 || start_ticks_of(process.pid) == process.start_ticks;
}

Status ask_to_end(const ProcessIdentity& process) {
  const Status gone(Code::kNotFound, fmt::format("process {} is gone", process.pid));
  // The descriptor holds on to the process, so that the look and the signal mean the same one.
  const auto pid = static_cast<pid_t>(process.pid);
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  const bool can_hold = descriptor >= 0 || errno != ENOSYS;
  if (!is_alive(process) || (can_hold && descriptor < 0)) {
    if (descriptor >= 0) ::close(descriptor);
    return gone;
  }
  const long sent = can_hold ? ::syscall(SYS_pidfd_send_signal, descriptor, SIGTERM, nullptr, 0)
                             : ::kill(pid, SIGTERM);
  const int error = errno;
  if (can_hold) ::close(descriptor);
  if (sent == 0) return Status();
  if (error == ESRCH) return gone;
  return Status(Code::kUnavailable, fmt::format("cannot ask process {} to end: {}", process.pid,
                                                std::generic_category().message(error)));
}

std::string to_text(const ProcessIdentity& process) {
  return fmt::format("{}-{}", process.pid, process.start_ticks);
}

ProcessIdentity process_from_text(std::string_view text) {
  const std::size_t dash = text.find('-');
  ProcessIdentity process;
  if (dash == std::string_view::npos || !parse(text.substr(0, dash), process.pid) ||
      !parse(text.substr(dash + 1), process.start_ticks)) {
    return {};
  }
  return process;
}

}  // namespace panal::store
