#include "store/detail/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "store/file_system.h"

namespace panal::store::detail {
namespace {

Code code_of(int error) {
  switch (error) {
    case ENOENT:
      return Code::kNotFound;
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
      return Code::kInvalidArgument;
    case EEXIST:
    case ENOTEMPTY:
      return Code::kConflict;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EMLINK:
      return Code::kResourceExhausted;
    case EXDEV:
    case EOPNOTSUPP:
      return Code::kUnsupported;
    default:
      return Code::kUnavailable;
  }
}

std::string reason_of(int error) { return std::generic_category().message(error); }

}  // namespace

Status errno_status(int error, std::string_view action, const std::filesystem::path& path) {
  if (error == ENOSPC || error == EDQUOT) return no_space_status(path, 0, reason_of(error));
  return Status(code_of(error),
                fmt::format("cannot {} {}: {}", action, path.string(), reason_of(error)));
}

Status stream_status(int error, const std::filesystem::path& name) {
  return Status(code_of(error),
                fmt::format("cannot write to {}: {}", name.string(), reason_of(error)));
}

Status no_space_status(const std::filesystem::path& path, std::uint64_t wanted_bytes,
                       std::string_view reason) {
  std::error_code ignored;
  const auto space = std::filesystem::space(folder_of(path), ignored);
  const std::string free =
      ignored ? "an unknown number of bytes is" : fmt::format("{} bytes are", space.available);
  const std::string wanted = wanted_bytes == 0 ? "" : fmt::format("{} bytes to ", wanted_bytes);
  return Status(Code::kResourceExhausted, fmt::format("cannot write {}{}: {}; {} free on that disk",
                                                      wanted, path.string(), reason, free));
}

Result<OpenedFile> open_for_reading(const std::filesystem::path& path) {
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor.is_open()) return errno_status(errno, "open", path);
  struct stat found {};
  if (::fstat(descriptor.get(), &found) != 0) return errno_status(errno, "examine", path);
  if (!S_ISREG(found.st_mode)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("cannot read {}: expected a file, found {}", path.string(),
                              S_ISDIR(found.st_mode) ? "a folder" : "a device or pipe"));
  }
  return OpenedFile{std::move(descriptor), static_cast<std::uint64_t>(found.st_size)};
}

Result<std::size_t> read_some(const Descriptor& descriptor, char* buffer, std::size_t capacity,
                              const std::filesystem::path& path) {
  for (;;) {
    const ssize_t count = ::read(descriptor.get(), buffer, capacity);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return errno_status(errno, "read", path);
  }
}

}  // namespace panal::store::detail
