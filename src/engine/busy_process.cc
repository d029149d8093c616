#include "engine/busy_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace panal::engine {
namespace {

// In the child: only async-signal-safe calls.
[[noreturn]] void stay_busy(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);  // It died before.
  ::raise(SIGSTOP);
  for (volatile unsigned count = 0;;) count = count + 1;
}

}  // namespace

Result<std::unique_ptr<BusyProcess>> BusyProcess::start() {
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) stay_busy(parent);
  if (child < 0) {
    return Status(Code::kUnavailable,
                  fmt::format("cannot start a busy process: {}", std::strerror(errno)));
  }
  std::unique_ptr<BusyProcess> made(new BusyProcess(child));
  // Stopped or not, it is not reaped here: the destructor does that.
  siginfo_t found{};
  if (::waitid(P_PID, static_cast<id_t>(child), &found, WSTOPPED | WEXITED | WNOWAIT) != 0 ||
      found.si_code != CLD_STOPPED) {
    return Status(Code::kUnavailable, "cannot start a busy process: it ended at once");
  }
  return made;
}

BusyProcess::~BusyProcess() {
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void BusyProcess::set_busy(bool is_busy) { ::kill(child_, is_busy ? SIGCONT : SIGSTOP); }

}  // namespace panal::engine
