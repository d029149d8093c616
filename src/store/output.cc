#include "store/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include "store/detail/descriptor.h"

namespace panal::store {
namespace {

using std::filesystem::path;

constexpr int kMostLinks = 40;  // As many as Linux follows.
constexpr char kStandardOutput[] = "standard output";

// Whether `folder` lists this process's open descriptors: /proc/PID/fd, /proc/PID/task/TID/fd.
bool lists_descriptors(const path& folder) {
  std::error_code error;
  const path real = std::filesystem::canonical(folder, error);
  if (error || real.filename() != "fd") return false;
  const std::string text = real.string();
  const std::string process = fmt::format("/proc/{}/", ::getpid());
  return text.starts_with(process) &&
         (text == process + "fd" || text.starts_with(process + "task/"));
}

std::optional<int> descriptor_number(const path& name) {
  const std::string digits = name.filename().string();
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0) return {};
  return number;
}

// The descriptor that a path like /dev/stdout or /dev/fd/3 names, however many links lead there. It
// must not be opened by that path: a file would be written from its beginning again, and a socket
// not at all.
std::optional<int> named_descriptor(path name) {
  for (int i = 0; i < kMostLinks; ++i) {
    const path folder = folder_of(name);
    if (lists_descriptors(folder)) return descriptor_number(name);
    std::error_code error;
    const path target = std::filesystem::read_symlink(name, error);
    if (error) return {};
    name = folder / target;  // An absolute target replaces the folder.
  }
  return {};
}

// Only what a parent passed on purpose: everything we open ourselves is closed on exec.
Result<std::unique_ptr<OutputFile>> given_descriptor(FileSystem& files, int number,
                                                     const path& name) {
  const int flags = ::fcntl(number, F_GETFD);
  if (flags >= 0 && (flags & FD_CLOEXEC) == 0) return files.open_descriptor(number, name);
  return Status(Code::kNotFound, fmt::format("cannot write to {}: descriptor {} was not given to "
                                             "this program",
                                             name.string(), number));
}

Status write_all(Result<std::unique_ptr<OutputFile>> opened, std::string_view bytes) {
  PANAL_ASSIGN(const auto file, std::move(opened));
  PANAL_TRY(file->write(bytes));
  PANAL_TRY(file->sync());
  return file->close();
}

bool has_access_list(const path& name) {
  return ::getxattr(name.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

bool may_write(const path& name) {
  return ::faccessat(AT_FDCWD, name.c_str(), W_OK, AT_EACCESS) == 0;
}

// A new file under the old one's name, owner and mode; nothing when this user cannot make one.
Result<std::optional<AtomicFile>> make_successor(FileSystem& files, const path& old) {
  if (has_access_list(old) || !may_write(folder_of(old))) return std::optional<AtomicFile>();
  PANAL_ASSIGN(AtomicFile file, AtomicFile::create(files, old, 0600));
  // Another user's file in a folder that both may write: the owner cannot be given.
  if (!files.copy_ownership(old, file.temporary()).ok()) return std::optional<AtomicFile>();
  return std::optional<AtomicFile>(std::move(file));
}

Status replace_file(FileSystem& files, const path& name, std::string_view bytes,
                    std::size_t num_names) {
  if (!may_write(name)) return detail::errno_status(errno, "write", name);
  if (num_names > 1) return write_all(files.create(name), bytes);
  PANAL_ASSIGN(std::optional<AtomicFile> successor, make_successor(files, name));
  if (!successor) return write_all(files.create(name), bytes);
  PANAL_TRY(successor->write(bytes));
  return successor->commit();
}

// Nothing is at `name`, or a link to nothing: then the target of the link is made.
Status make_file(FileSystem& files, const path& name, std::string_view bytes) {
  std::error_code error;
  const path folder = folder_of(name);
  if (!name.has_filename()) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("cannot write {}: expected the name of a file, found a folder", name.string()));
  }
  if (!std::filesystem::is_directory(folder, error)) {
    return Status(Code::kNotFound, fmt::format("cannot write {}: there is no folder {}",
                                               name.string(), folder.string()));
  }
  if (!std::filesystem::is_symlink(name, error)) return write_file_atomically(files, name, bytes);
  // The system follows the link here, and with it its own rules on whose links are followed.
  const Status written = write_all(files.create(name), bytes);
  if (written.ok()) return written;
  const path made = std::filesystem::canonical(name, error);
  if (!error) (void)files.remove(made);  // What is left of it is only a leftover.
  return written;
}

// Output that cannot be written at all.
class ClosedOutput final : public OutputFile {
 public:
  explicit ClosedOutput(Status why) : why_(std::move(why)) {}
  Status write(std::string_view) override { return why_; }
  Status sync() override { return why_; }
  Status close() override { return Status(); }

 private:
  const Status why_;
};

}  // namespace

Status write_output(FileSystem& files, const path& name, std::string_view bytes) {
  if (const auto number = named_descriptor(name)) {
    return write_all(given_descriptor(files, *number, name), bytes);
  }
  const detail::Descriptor found(::open(name.c_str(), O_PATH | O_CLOEXEC));
  if (!found.is_open() && errno == ENOENT) return make_file(files, name, bytes);
  if (!found.is_open()) return detail::errno_status(errno, "write", name);
  struct stat facts {};
  if (::fstat(found.get(), &facts) != 0) return detail::errno_status(errno, "examine", name);
  if (S_ISDIR(facts.st_mode)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("cannot write {}: expected a file, found a folder", name.string()));
  }
  if (!S_ISREG(facts.st_mode)) return write_all(files.open_stream(name), bytes);
  std::error_code error;
  const path real = std::filesystem::canonical(name, error);
  if (error) return detail::errno_status(error.value(), "find", name);
  return replace_file(files, real, bytes, facts.st_nlink);
}

std::unique_ptr<OutputFile> standard_output() {
  auto opened = posix_file_system().open_descriptor(STDOUT_FILENO, kStandardOutput);
  if (opened.ok()) return std::move(opened).value();
  return std::make_unique<ClosedOutput>(opened.status());
}

void occupy_standard_descriptors() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (::fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one. Opened the wrong way round, so that using it fails.
    (void)!::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace panal::store
