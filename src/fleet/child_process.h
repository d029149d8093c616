// A child process that dies with its parent, gains no privileges, inherits nothing but what is
// named, and whose output arrives line by line. Compute always runs as one, so that it can be
// killed and limited.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/timing.h"

namespace panal::fleet {

struct ChildOptions {
  std::filesystem::path program;
  std::vector<std::string> arguments;
  /// Appended to, created 0600. Empty: the child's standard error is ours.
  std::filesystem::path stderr_file;
};

/// How a child ended.
struct ChildExit {
  int code = -1;   // Exit code, or -1 when a signal ended it.
  int signal = 0;  // The signal, or 0.
  /// "exited with code 3" or "was killed by signal 9 (Killed)".
  std::string shown() const;
};

/// Not thread-safe, except interrupt(). The destructor kills the child and waits for it.
class ChildProcess {
 public:
  /// Starts `program` with standard input from /dev/null and standard output to a pipe. The
  /// environment is ours reduced to PATH, HOME, TMPDIR, LANG, and names starting with PANAL_, OMP_,
  /// MKL_ or NCCL_: a secret in ours stays here. Errors: kNotFound when the program is not there,
  /// kUnavailable when no process can be made.
  /// The clock, which measures deadlines, outlives the child.
  static Result<ChildProcess> start(const ChildOptions& options, Clock& clock = system_clock());

  ChildProcess(ChildProcess&&) noexcept;
  ChildProcess& operator=(ChildProcess&&) noexcept;
  ~ChildProcess();

  pid_t pid() const;
  /// The next line of its output without the line end; nothing at the end of output. Errors:
  /// kDeadlineExceeded, kCorrupt for a line over 16 MiB.
  Result<std::optional<std::string>> read_line(std::chrono::milliseconds deadline);
  /// Waits until it ended. Errors: kDeadlineExceeded.
  Result<ChildExit> wait(std::chrono::milliseconds deadline);
  /// True when it ended; never blocks.
  bool has_ended();
  /// Asks it to end (SIGTERM). Thread-safe while the child is not waited for.
  void interrupt() const;
  /// SIGTERM, up to `grace` for it to end, then SIGKILL.
  ChildExit stop(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit ChildProcess(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Where `panal-engine` is: PANAL_ENGINE, or beside the running program. Errors: kNotFound with
/// both places.
Result<std::filesystem::path> engine_program();

}  // namespace panal::fleet
