#include "fleet/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <future>
#include <thread>

extern char** environ;

namespace panal::fleet {
namespace {

constexpr std::size_t kMaxLineBytes = 16u << 20;

std::vector<std::string> allowed_environment() {
  static constexpr std::array<std::string_view, 8> kExact = {
      "PATH=",   "HOME=", "TMPDIR=",         "LANG=",
      "LC_ALL=", "TZ=",   "HF_HUB_OFFLINE=", "CUDA_VISIBLE_DEVICES="};
  static constexpr std::array<std::string_view, 5> kPrefixes = {"PANAL_", "OMP_", "GOMP_", "MKL_",
                                                                "NCCL_"};
  std::vector<std::string> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto starts = [&](std::string_view prefix) { return text.starts_with(prefix); };
    if (std::ranges::any_of(kExact, starts) || std::ranges::any_of(kPrefixes, starts))
      kept.emplace_back(text);
  }
  // OpenMP reads this when it is loaded. Its threads serve only to measure what the libraries can
  // do, and by default they spin on afterwards, on the cores that our compute threads want.
  const auto is_wait_policy = [](const std::string& entry) {
    return entry.starts_with("OMP_WAIT_POLICY=") || entry.starts_with("GOMP_SPINCOUNT=");
  };
  if (std::ranges::none_of(kept, is_wait_policy)) kept.emplace_back("OMP_WAIT_POLICY=passive");
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Runs between fork and exec: only async-signal-safe calls.
[[noreturn]] void become_child(const char* program, char** arguments, char** environment,
                               int output, int errors, int report, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // The parent died before the line above.
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  // A terminal's Ctrl-C goes to the foreground group; the parent decides when the child stops.
  setpgid(0, 0);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  if (errors >= 0) dup2(errors, STDERR_FILENO);
  const int kept = fcntl(report, F_DUPFD_CLOEXEC, 3);
  if (kept > 3) close_range(3, static_cast<unsigned>(kept) - 1, 0);
  close_range(static_cast<unsigned>(kept) + 1, ~0u, 0);
  execve(program, arguments, environment);
  const int error = errno;
  [[maybe_unused]] const auto written = write(kept, &error, sizeof error);
  _exit(127);
}

}  // namespace

struct ChildProcess::State {
  explicit State(Clock& the_clock) : clock(the_clock) {}

  Clock& clock;
  pid_t pid = -1;
  int output = -1;
  bool at_end = false;
  std::string buffer;
  std::optional<ChildExit> exit;
  // PR_SET_PDEATHSIG means the thread that forked, not the process: that thread is kept for as long
  // as the child.
  std::promise<void> keeper_may_end;
  std::thread keeper;

  ~State() {
    if (pid > 0 && !exit) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    if (output >= 0) close(output);
    if (keeper.joinable()) {
      keeper_may_end.set_value();
      keeper.join();
    }
  }
};

ChildProcess::ChildProcess(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChildProcess::ChildProcess(ChildProcess&&) noexcept = default;
ChildProcess& ChildProcess::operator=(ChildProcess&&) noexcept = default;
ChildProcess::~ChildProcess() = default;

std::string ChildExit::shown() const {
  if (signal != 0) return fmt::format("was killed by signal {} ({})", signal, strsignal(signal));
  return fmt::format("exited with code {}", code);
}

Result<ChildProcess> ChildProcess::start(const ChildOptions& options, Clock& clock) {
  if (access(options.program.c_str(), X_OK) != 0) {
    return Status(Code::kNotFound, fmt::format("expected a program that can be run at {}, but {}",
                                               options.program.string(), std::strerror(errno)));
  }
  int errors = -1;
  if (!options.stderr_file.empty()) {
    errors = open(options.stderr_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (errors < 0) {
      return Status(Code::kUnavailable,
                    fmt::format("cannot write the log {}: {}", options.stderr_file.string(),
                                std::strerror(errno)));
    }
  }
  int output[2];
  int report[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
    return Status(Code::kUnavailable, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  }
  std::vector<std::string> arguments = {options.program.string()};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = allowed_environment();
  const auto argument_pointers = pointers(arguments);
  const auto environment_pointers = pointers(environment);
  const pid_t parent = getpid();
  auto state = std::make_unique<State>(clock);
  std::promise<std::pair<pid_t, int>> promise;
  auto forked = promise.get_future();
  // The references are used before the promise is kept, and this function waits for it.
  state->keeper = std::thread(
      [&, promise = std::move(promise), may_end = state->keeper_may_end.get_future()]() mutable {
        const pid_t made = fork();
        if (made == 0) {
          become_child(arguments[0].c_str(), const_cast<char**>(argument_pointers.data()),
                       const_cast<char**>(environment_pointers.data()), output[1], errors,
                       report[1], parent);
        }
        promise.set_value({made, errno});
        may_end.wait();
      });
  const auto [pid, fork_error] = forked.get();
  close(output[1]);
  close(report[1]);
  if (errors >= 0) close(errors);
  state->pid = pid;
  state->output = output[0];
  int exec_error = 0;
  const bool exec_failed =
      pid > 0 && read(report[0], &exec_error, sizeof exec_error) == sizeof exec_error;
  close(report[0]);
  if (pid < 0 || exec_failed) {
    return Status(Code::kUnavailable,
                  fmt::format("cannot start {}: {}", options.program.string(),
                              std::strerror(pid < 0 ? fork_error : exec_error)));
  }
  return ChildProcess(std::move(state));
}

pid_t ChildProcess::pid() const { return state_->pid; }

Result<std::optional<std::string>> ChildProcess::read_line(std::chrono::milliseconds deadline) {
  const Deadline until(state_->clock, deadline);
  std::size_t searched = 0;
  while (true) {
    const std::size_t end = state_->buffer.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = state_->buffer.substr(0, end);
      state_->buffer.erase(0, end + 1);
      return std::optional(std::move(line));
    }
    searched = state_->buffer.size();
    if (searched > kMaxLineBytes)
      return Status(Code::kCorrupt, "a child process wrote a line of more than 16 MiB");
    if (state_->at_end) {
      if (state_->buffer.empty()) return std::optional<std::string>();
      return std::optional(std::exchange(state_->buffer, ""));
    }
    pollfd waiting{state_->output, POLLIN, 0};
    const int ready = poll(
        &waiting, 1, static_cast<int>(std::min<std::int64_t>(until.left().count(), 1'000'000'000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return Status(Code::kDeadlineExceeded, "a child process wrote nothing in time");
    char piece[65536];
    const ssize_t count = read(state_->output, piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      state_->at_end = true;
    } else {
      state_->buffer.append(piece, static_cast<std::size_t>(count));
    }
  }
}

bool ChildProcess::has_ended() {
  if (state_->exit) return true;
  int status = 0;
  const pid_t ended = waitpid(state_->pid, &status, WNOHANG);
  if (ended != state_->pid) return false;
  state_->exit =
      WIFSIGNALED(status) ? ChildExit{-1, WTERMSIG(status)} : ChildExit{WEXITSTATUS(status), 0};
  return true;
}

Result<ChildExit> ChildProcess::wait(std::chrono::milliseconds deadline) {
  const Deadline until(state_->clock, deadline);
  // Output that nobody reads would keep the child from ending.
  while (!state_->at_end && !until.is_over() && !has_ended()) {
    const auto line = read_line(std::chrono::milliseconds(50));
    if (!line.ok() && line.code() != Code::kDeadlineExceeded) break;
  }
  auto pause = std::chrono::milliseconds(1);
  while (!has_ended()) {
    if (until.is_over())
      return Status(Code::kDeadlineExceeded, "a child process did not end in time");
    until.sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(50));
  }
  return *state_->exit;
}

void ChildProcess::interrupt() const {
  if (!state_->exit) kill(state_->pid, SIGTERM);
}

ChildExit ChildProcess::stop(std::chrono::milliseconds grace) {
  if (!has_ended()) {
    kill(state_->pid, SIGTERM);
    if (const auto ended = wait(grace); !ended.ok()) {
      kill(state_->pid, SIGKILL);
      int status = 0;
      waitpid(state_->pid, &status, 0);
      state_->exit = ChildExit{-1, SIGKILL};
    }
  }
  return *state_->exit;
}

Result<std::filesystem::path> engine_program() {
  if (const char* named = std::getenv("PANAL_ENGINE"); named != nullptr && *named != '\0') {
    return std::filesystem::path(named);
  }
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / "panal-engine";
  if (std::filesystem::exists(beside, error)) return beside;
  return Status(
      Code::kNotFound,
      fmt::format("panal-engine was expected at {} (or where PANAL_ENGINE says), and is not there",
                  beside.string()));
}

}  // namespace panal::fleet
