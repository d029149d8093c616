#include "store/home.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "store/detail/descriptor.h"

namespace panal::store {
namespace {

constexpr unsigned kPrivate = 0700;

std::string holder_of(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t count = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::int64_t pid = 0;
  if (count > 0) std::from_chars(text.data(), text.data() + count, pid);
  return pid > 0 ? fmt::format("process {}", pid) : std::string("another process");
}

}  // namespace

Home home_at(const std::filesystem::path& root) {
  return Home{.root = root,
              .database = root / "panal.db",
              .blobs = root / "blobs",
              .models = root / "models",
              .jobs = root / "jobs",
              .run = root / "run"};
}

Result<std::filesystem::path> default_home_root() {
  const char* chosen = std::getenv("PANAL_HOME");
  const char* user_home = std::getenv("HOME");
  std::filesystem::path root;
  if (chosen != nullptr && *chosen != '\0') {
    root = chosen;
  } else if (user_home != nullptr && *user_home != '\0') {
    root = std::filesystem::path(user_home) / ".panal";
  } else {
    return Status(Code::kInvalidArgument,
                  "cannot tell where panal's home is: set PANAL_HOME (HOME is not set either)");
  }
  std::error_code error;
  auto absolute = std::filesystem::absolute(root, error);
  if (error) return detail::errno_status(error.value(), "find", root);
  return absolute.lexically_normal();
}

Result<Home> open_home() {
  PANAL_ASSIGN(const auto root, default_home_root());
  return open_home(posix_file_system(), root);
}

Result<Home> open_home(FileSystem& files, const std::filesystem::path& root) {
  const Home home = home_at(root);
  for (const auto& folder : {home.root, home.blobs, home.models, home.jobs, home.run}) {
    std::error_code ignored;
    if (std::filesystem::exists(folder, ignored) &&
        !std::filesystem::is_directory(folder, ignored)) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("panal's home needs a folder at {}, found a file", folder.string()));
    }
    const Status made = make_directories(files, folder, kPrivate);
    const bool is_only_read =
        std::filesystem::is_regular_file(home.database, ignored) && !is_writable(home);
    if (!made.ok() && !is_only_read) return made.with_context("opening panal's home");
  }
  return home;
}

bool is_writable(const Home& home) {
  const auto may_write = [](const std::filesystem::path& path) {
    return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
  };
  if (!may_write(home.root)) return false;
  return may_write(home.database) || errno == ENOENT;
}

Result<ProcessLock> ProcessLock::take(const std::filesystem::path& path, std::string_view what) {
  ProcessLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.descriptor_ < 0) return detail::errno_status(errno, "open the lock", path);
  while (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return detail::errno_status(errno, "lock", path);
    const std::string holder = holder_of(lock.descriptor_);
    ::close(std::exchange(lock.descriptor_, -1));
    return Status(Code::kConflict, fmt::format("{} is already in use by {}", what, holder));
  }
  const std::string text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.descriptor_, 0) != 0 || ::pwrite(lock.descriptor_, text.data(), text.size(),
                                                        0) != static_cast<ssize_t>(text.size())) {
    return detail::errno_status(errno, "write the lock", path);
  }
  return lock;
}

ProcessLock::ProcessLock(ProcessLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

ProcessLock& ProcessLock::operator=(ProcessLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

ProcessLock::~ProcessLock() {
  // The file stays: removing it would let two takers lock two files of the same name.
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace panal::store
