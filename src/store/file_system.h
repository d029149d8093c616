// The seam between panal and the disk. Whoever writes goes through a FileSystem, so that a test can
// let any single step fail or pretend that the power went at that moment (faulty_file_system.h).
// Reading does not need the seam: what is read is checked anyway.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::store {

/// A file being written from front to back. Not thread-safe. The destructor closes it without
/// syncing.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  /// Appends all bytes or fails; after a failure the file's length is undefined.
  /// Errors: kResourceExhausted (disk, quota or size limit: says path, bytes wanted, bytes free);
  /// kUnavailable.
  virtual Status write(std::string_view bytes) = 0;
  /// Returns when the bytes written so far survive a power cut (fsync). The name may not:
  /// sync_directory().
  virtual Status sync() = 0;
  /// Closes it and says what the system tells only then. Call once, last.
  virtual Status close() = 0;
};

/// Steps that change the disk. Posix is thread-safe and stateless. Every error names the path.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Creates the file or cuts an existing one to nothing. `permissions` apply to a new file (less
  /// the umask).
  virtual Result<std::unique_ptr<OutputFile>> create(const std::filesystem::path& path,
                                                     unsigned permissions = 0644) = 0;
  /// Opens the file to write after its end, and creates it when it is missing.
  virtual Result<std::unique_ptr<OutputFile>> append(const std::filesystem::path& path) = 0;
  /// Opens what is there already, a device or a pipe, to write to it and never to replace it. Waits
  /// for the reader of a named pipe. sync() does what such a thing can. Errors: kNotFound.
  virtual Result<std::unique_ptr<OutputFile>> open_stream(const std::filesystem::path& path) = 0;
  /// The same for a descriptor that is open in this process, which stays open: what is written
  /// follows what was written there. `name` stands in errors.
  virtual Result<std::unique_ptr<OutputFile>> open_descriptor(
      int descriptor, const std::filesystem::path& name) = 0;
  /// Gives the file `to` the owner, group and mode of the file `from`.
  virtual Status copy_ownership(const std::filesystem::path& from,
                                const std::filesystem::path& to) = 0;
  /// Gives `from` the name `to` in one step, replacing a file of that name.
  /// Errors: kNotFound; kConflict when `to` is a folder that is not empty.
  virtual Status rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  /// Removes a file or an empty folder. Errors: kNotFound; kConflict for a folder that is not
  /// empty.
  virtual Status remove(const std::filesystem::path& path) = 0;
  /// Makes one folder; its parent must exist. A folder that is already there is fine.
  virtual Status make_directory(const std::filesystem::path& path, unsigned permissions = 0755) = 0;
  /// Makes the names inside the folder survive a power cut: created, renamed and removed entries.
  virtual Status sync_directory(const std::filesystem::path& path) = 0;
  /// A second name for the same bytes. Errors: kConflict when `name` exists; kUnsupported across
  /// devices.
  virtual Status link(const std::filesystem::path& existing, const std::filesystem::path& name) = 0;
  /// Sets the file's time of change to now.
  virtual Status touch(const std::filesystem::path& path) = 0;

  /// The SQLite VFS that Database must use to go through the same seam; "" is SQLite's own.
  virtual std::string sqlite_vfs() const { return ""; }
};

/// The machine's own file system.
FileSystem& posix_file_system();

/// Writes a file so that a crash at any moment leaves the old content or the new one, never a
/// mixture: temp file in the same folder, fsync, rename, fsync of the folder. When it fails, the
/// temp file is removed.
Status write_file_atomically(FileSystem& files, const std::filesystem::path& path,
                             std::string_view bytes, unsigned permissions = 0644);

/// The same for content that arrives in pieces: create, write..., commit. Without commit() nothing
/// appears.
class AtomicFile {
 public:
  static Result<AtomicFile> create(FileSystem& files, const std::filesystem::path& path,
                                   unsigned permissions = 0644);
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Status write(std::string_view bytes) { return file_->write(bytes); }
  /// The new content stands under its name and survives a power cut. Call once, last.
  Status commit();
  /// Where the content is until commit().
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  AtomicFile(FileSystem& files, std::filesystem::path temporary, std::filesystem::path path,
             std::unique_ptr<OutputFile> file);
  FileSystem* files_;  // Outlives the file.
  std::filesystem::path temporary_;
  std::filesystem::path path_;
  std::unique_ptr<OutputFile> file_;  // Null once committed or moved from.
};

/// Makes the folder and every missing folder above it, each one durable.
Status make_directories(FileSystem& files, const std::filesystem::path& path,
                        unsigned permissions = 0755);

/// The whole content of a regular file.
/// Errors: kNotFound; kResourceExhausted when it holds more than `max_bytes`; kInvalidArgument for
/// a folder or another thing that is not a regular file; kUnavailable when reading fails.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

/// The folder a path lies in; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& path);

}  // namespace panal::store
