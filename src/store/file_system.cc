#include "store/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

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
  PosixFile(Descriptor descriptor, path name)
      : descriptor_(std::move(descriptor)), path_(std::move(name)) {}

  Status write(std::string_view bytes) override {
    while (!bytes.empty()) {
      // Linux moves at most 2 GiB a call; smaller pieces lose nothing.
      const std::size_t piece = std::min<std::size_t>(bytes.size(), std::size_t{1} << 30);
      const ssize_t count = ::write(descriptor_.get(), bytes.data(), piece);
      if (count >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
        return detail::no_space_status(path_, bytes.size(), std::generic_category().message(errno));
      } else if (errno != EINTR) {
        return errno_status(errno, "write", path_);
      }
    }
    return Status();
  }

  Status sync() override {
    return ::fsync(descriptor_.get()) == 0 ? Status() : errno_status(errno, "sync", path_);
  }

 private:
  Descriptor descriptor_;
  path path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<OutputFile>> create(const path& name, unsigned permissions) override {
    return open(name, O_CREAT | O_TRUNC, permissions);
  }
  Result<std::unique_ptr<OutputFile>> append(const path& name) override {
    return open(name, O_CREAT | O_APPEND, 0644);
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
    return std::unique_ptr<OutputFile>(std::make_unique<PosixFile>(std::move(descriptor), name));
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
