// One folder holds everything panal must not lose. Home knows its paths; ProcessLock lets one
// process at a time do what only one may do there.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/file_system.h"

namespace panal::store {

struct Home {
  std::filesystem::path root;      // Absolute.
  std::filesystem::path database;  // root/panal.db: the catalogue.
  std::filesystem::path blobs;     // root/blobs: content by hash.
  std::filesystem::path
      models;  // root/models/NAME/VERSION: files as engines want them; can be made again.
  std::filesystem::path jobs;  // root/jobs/ID: description, log, checkpoints, result.
  std::filesystem::path run;   // root/run: sockets and locks of running processes.
};

/// The paths below `root`; touches nothing.
Home home_at(const std::filesystem::path& root);
/// PANAL_HOME, or .panal in the user's home folder. Errors: kInvalidArgument when neither is known.
Result<std::filesystem::path> default_home_root();

/// Makes the folders that are missing (0700: a home holds private text) and returns the paths. A
/// home that is there and cannot be written is opened as it is, for whoever only reads. Errors:
/// kInvalidArgument when a file is in the way; those of FileSystem.
Result<Home> open_home();
Result<Home> open_home(FileSystem& files, const std::filesystem::path& root);

/// Whether this user can change what is in the home; a home that is not there yet is not writable.
bool is_writable(const Home& home);

/// Held from take() until destroyed; the system frees it when the process ends, however it ends.
/// Works between processes and between two takers in one process. Movable. The lock file stays.
class ProcessLock {
 public:
  /// Never waits. `what` is the subject of the refusal: "the home /x/.panal".
  /// Errors: kConflict "the home /x/.panal is already in use by process 4711".
  static Result<ProcessLock> take(const std::filesystem::path& path, std::string_view what);

  ProcessLock(ProcessLock&& other) noexcept;
  ProcessLock& operator=(ProcessLock&& other) noexcept;
  ~ProcessLock();

 private:
  explicit ProcessLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace panal::store
