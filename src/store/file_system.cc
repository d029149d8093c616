#include "store/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/hash.h"
#include "store/detail/descriptor.h"

namespace panal::store {
namespace {

using detail::Descriptor;
using detail::errno_status;
using std::filesystem::path;

class PosixFile final : public OutputFile {
 public:
  PosixFile(Descriptor descriptor, path name, bool is_stream)
      : descriptor_(std::move(descriptor)), path_(std::move(name)), is_stream_(is_stream) {}

  Status write(std::string_view bytes) override {
    while (!bytes.empty()) {
      // Linux moves at most 2 GiB a call; smaller pieces lose nothing.
      const std::size_t piece = std::min<std::size_t>(bytes.size(), std::size_t{1} << 30);
      const ssize_t count = ::write(descriptor_.get(), bytes.data(), piece);
      if (count >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno != EINTR) {
        return write_status(errno, bytes.size());
      }
    }
    return Status();
  }

  Status sync() override {
    if (::fsync(descriptor_.get()) == 0) return Status();
    const bool has_nothing_to_sync = errno == EINVAL || errno == EROFS || errno == ENOTSUP;
    if (is_stream_ && has_nothing_to_sync) return Status();
    return is_stream_ ? detail::stream_status(errno, path_) : errno_status(errno, "sync", path_);
  }

  Status close() override {
    if (descriptor_.close() == 0) return Status();
    return is_stream_ ? detail::stream_status(errno, path_) : errno_status(errno, "finish", path_);
  }

 private:
  Status write_status(int error, std::size_t wanted_bytes) const {
    if (is_stream_) return detail::stream_status(error, path_);
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
      return detail::no_space_status(path_, wanted_bytes, std::generic_category().message(error));
    }
    return errno_status(error, "write", path_);
  }

  Descriptor descriptor_;
  path path_;
  const bool is_stream_;  // A pipe, a terminal or a device: it has no disk that could be full.
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<OutputFile>> create(const path& name, unsigned permissions) override {
    return open(name, O_CREAT | O_TRUNC, permissions);
  }
  Result<std::unique_ptr<OutputFile>> append(const path& name) override {
    return open(name, O_CREAT | O_APPEND, 0644);
  }
  Result<std::unique_ptr<OutputFile>> open_stream(const path& name) override {
    Descriptor descriptor(::open(name.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    if (!descriptor.is_open()) return detail::stream_status(errno, name);
    return std::unique_ptr<OutputFile>(
        std::make_unique<PosixFile>(std::move(descriptor), name, true));
  }
  Result<std::unique_ptr<OutputFile>> open_descriptor(int number, const path& name) override {
    // A copy has the same place in the file, so that both write one after the other.
    Descriptor descriptor(::fcntl(number, F_DUPFD_CLOEXEC, 3));
    if (!descriptor.is_open()) return detail::stream_status(errno, name);
    return std::unique_ptr<OutputFile>(
        std::make_unique<PosixFile>(std::move(descriptor), name, true));
  }
  Status copy_ownership(const path& from, const path& to) override {
    struct stat found {};
    if (::stat(from.c_str(), &found) != 0) return errno_status(errno, "examine", from);
    struct stat made {};
    if (::stat(to.c_str(), &made) != 0) return errno_status(errno, "examine", to);
    const bool is_ours = found.st_uid == made.st_uid && found.st_gid == made.st_gid;
    if (!is_ours && ::chown(to.c_str(), found.st_uid, found.st_gid) != 0)
      return errno_status(errno, "set the owner of", to);
    if (::chmod(to.c_str(), found.st_mode & 07777) == 0) return Status();
    return errno_status(errno, "set the mode of", to);
  }
  Status rename(const path& from, const path& to) override {
    if (std::rename(from.c_str(), to.c_str()) == 0) return Status();
    return errno_status(errno, "rename " + from.string() + " to", to);
  }
  Status remove(const path& name) override {
    return std::remove(name.c_str()) == 0 ? Status() : errno_status(errno, "remove", name);
  }
  Status make_directory(const path& name, unsigned permissions) override {
    if (::mkdir(name.c_str(), permissions) == 0) return Status();
    const int error = errno;
    std::error_code ignored;
    if (error == EEXIST && std::filesystem::is_directory(name, ignored)) return Status();
    return errno_status(error, "make the folder", name);
  }
  Status sync_directory(const path& name) override {
    const Descriptor descriptor(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!descriptor.is_open()) return errno_status(errno, "open the folder", name);
    // Some file systems cannot sync folders and say EINVAL; there is nothing better to do on them.
    if (::fsync(descriptor.get()) == 0 || errno == EINVAL) return Status();
    return errno_status(errno, "sync the folder", name);
  }
  Status link(const path& existing, const path& name) override {
    if (::link(existing.c_str(), name.c_str()) == 0) return Status();
    const int error =
        errno == EPERM ? EOPNOTSUPP : errno;  // EPERM: a file system without hard links.
    return errno_status(error, "link " + existing.string() + " as", name);
  }
  Status touch(const path& name) override {
    if (::utimensat(AT_FDCWD, name.c_str(), nullptr, 0) == 0) return Status();
    return errno_status(errno, "set the time of", name);
  }

 private:
  Result<std::unique_ptr<OutputFile>> open(const path& name, int flags, unsigned permissions) {
    Descriptor descriptor(::open(name.c_str(), flags | O_WRONLY | O_CLOEXEC, permissions));
    if (!descriptor.is_open()) return errno_status(errno, "create", name);
    return std::unique_ptr<OutputFile>(
        std::make_unique<PosixFile>(std::move(descriptor), name, false));
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem instance;
  return instance;
}

path folder_of(const path& name) {
  const path parent = name.parent_path();
  return parent.empty() ? path(".") : parent;
}

Result<AtomicFile> AtomicFile::create(FileSystem& files, const path& target, unsigned permissions) {
  path temporary = target;
  temporary.replace_filename("." + target.filename().string().substr(0, 200) + "." + random_hex(6) +
                             ".partial");
  PANAL_ASSIGN(auto file, files.create(temporary, permissions));
  return AtomicFile(files, std::move(temporary), target, std::move(file));
}

AtomicFile::AtomicFile(FileSystem& files, path temporary, path target,
                       std::unique_ptr<OutputFile> file)
    : files_(&files),
      temporary_(std::move(temporary)),
      path_(std::move(target)),
      file_(std::move(file)) {}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  file_.reset();
  // Nobody refers to the temp file; when even this fails, it is only a leftover.
  (void)files_->remove(temporary_);
}

Status AtomicFile::commit() {
  PANAL_CHECK(file_ != nullptr, "commit() of " + path_.string() + " was called twice");
  PANAL_TRY(file_->sync());
  PANAL_TRY(files_->rename(temporary_, path_));
  file_.reset();
  return files_->sync_directory(folder_of(path_));
}

Status write_file_atomically(FileSystem& files, const path& target, std::string_view bytes,
                             unsigned permissions) {
  PANAL_ASSIGN(AtomicFile file, AtomicFile::create(files, target, permissions));
  PANAL_TRY(file.write(bytes));
  return file.commit();
}

Status make_directories(FileSystem& files, const path& folder, unsigned permissions) {
  std::error_code ignored;
  if (folder.empty() || std::filesystem::is_directory(folder, ignored)) return Status();
  // "a/b/" has an empty last name: the folder meant is "a/b".
  if (!folder.has_filename()) return make_directories(files, folder.parent_path(), permissions);
  PANAL_TRY(make_directories(files, folder.parent_path(), permissions));
  PANAL_TRY(files.make_directory(folder, permissions));
  return files.sync_directory(folder_of(folder));
}

Result<std::string> read_file(const path& name, std::uint64_t max_bytes) {
  PANAL_ASSIGN(const detail::OpenedFile opened, detail::open_for_reading(name));
  const auto refuse = [&](std::uint64_t found) {
    return Status(Code::kResourceExhausted,
                  fmt::format("cannot read {}: expected at most {} bytes, found {}", name.string(),
                              max_bytes, found));
  };
  if (opened.num_bytes > max_bytes) return refuse(opened.num_bytes);
  std::string content(opened.num_bytes, '\0');
  std::size_t length = 0;
  for (;;) {
    // One byte of room past the expected end, so that a file that grows meanwhile is noticed.
    if (length == content.size()) content.resize(length + std::max<std::size_t>(1, length / 8));
    PANAL_ASSIGN(const std::size_t count,
                 detail::read_some(opened.descriptor, content.data() + length,
                                   content.size() - length, name));
    if (count == 0) break;
    length += count;
    if (length > max_bytes) return refuse(length);
  }
  content.resize(length);
  return content;
}

}  // namespace panal::store
