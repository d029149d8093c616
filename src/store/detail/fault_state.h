// What the faulty file system and its SQLite VFS share: one count of steps, and one memory of what
// is not yet safe from a power cut.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "store/faulty_file_system.h"

namespace panal::store {

struct FaultyFileSystem::State {
  /// What becomes of a step.
  enum class Verdict {
    kProceed,
    kFail,     // This step fails; others work.
    kStrike,   // Do half of this step, then call strike(), then fail.
    kRefused,  // The process or the power is gone.
  };
  /// A file written through the seam whose last bytes may not be synced.
  struct OpenFile {
    std::filesystem::path path;  // Follows renames.
    std::uint64_t synced_bytes = 0;
  };
  /// A change of names that a power cut takes back, until its folder is synced.
  struct NameChange {
    std::filesystem::path folder;
    std::function<void()> undo;
  };
  /// A database file: what its unsynced writes replaced, oldest first.
  struct Replaced {
    std::uint64_t offset = 0;
    std::string bytes;
    std::uint64_t file_bytes = 0;  // The file's length before.
  };
  struct DatabaseFile {
    std::vector<Replaced> replaced;
    bool is_name_synced = true;
  };

  explicit State(FaultPlan wanted) : plan(wanted) {}

  Verdict step() PANAL_REQUIRES(mutex);
  /// Loses what the plan's kind loses. Later steps are refused.
  void strike() PANAL_REQUIRES(mutex);
  void undo_names() PANAL_REQUIRES(mutex);
  void undo_database_writes() PANAL_REQUIRES(mutex);

  const FaultPlan plan;
  Mutex mutex;  // Also held while a step is taken.
  std::uint64_t num_steps PANAL_GUARDED_BY(mutex) = 0;
  bool has_struck PANAL_GUARDED_BY(mutex) = false;
  bool is_dead PANAL_GUARDED_BY(mutex) = false;
  // Each shared with the FaultyFile that writes it, and changed with the mutex held.
  std::vector<std::shared_ptr<OpenFile>> open_files PANAL_GUARDED_BY(mutex);
  std::vector<NameChange> name_changes PANAL_GUARDED_BY(mutex);
  std::map<std::string, DatabaseFile> database_files PANAL_GUARDED_BY(mutex);
};

namespace detail {

/// Registers a VFS over SQLite's own whose steps `state` counts, and returns its name. `state` must
/// outlive it.
std::string register_faulty_vfs(FaultyFileSystem::State& state);
/// After every database opened with it is closed.
void unregister_faulty_vfs(const std::string& name);

}  // namespace detail
}  // namespace panal::store
