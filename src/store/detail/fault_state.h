// What the faulty file system and its SQLite VFS share: one count of steps, and one memory of what
// is not yet safe from a power cut.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

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

  Verdict step();
  /// Loses what the plan's kind loses. Later steps are refused.
  void strike();
  void undo_names();
  void undo_database_writes();

  const FaultPlan plan;
  std::mutex mutex;  // Guards everything below; the callers hold it.
  std::uint64_t num_steps = 0;
  bool has_struck = false;
  bool is_dead = false;
  std::vector<std::shared_ptr<OpenFile>> open_files;  // Shared with the FaultyFile that writes it.
  std::vector<NameChange> name_changes;
  std::map<std::string, DatabaseFile> database_files;
};

namespace detail {

/// Registers a VFS over SQLite's own whose steps `state` counts, and returns its name. `state` must
/// outlive it.
std::string register_faulty_vfs(FaultyFileSystem::State& state);
/// After every database opened with it is closed.
void unregister_faulty_vfs(const std::string& name);

}  // namespace detail
}  // namespace panal::store
