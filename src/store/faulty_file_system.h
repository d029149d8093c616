// A file system that breaks on purpose: it counts the steps that change the disk and lets one of
// them fail, or pretends that the process was killed or the power went there. With it a test walks
// through every step of an operation and proves that none of them can lose what was acknowledged.
// SQLite takes part through a VFS of its own, so that the steps of a database transaction count
// too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "store/file_system.h"

namespace panal::store {

enum class FaultKind {
  kFail,   // That step, and num_steps - 1 after it, fail as on a full disk (half of a write is
           // done); later steps work again.
  kKill,   // The process ends there: what was written stays, every later step is refused.
  kPower,  // The power goes: what was not synced is lost, names and bytes; every later step is
           // refused.
  kPowerKeepingNames,  // As kPower, but new names survive without their bytes: empty or short
                       // files.
};

struct FaultPlan {
  FaultKind kind = FaultKind::kPower;
  std::uint64_t at_step = ~std::uint64_t{0};  // From 0; the default never comes.
  std::uint64_t num_steps = 1;                // kFail: so many steps in a row fail; 1 or more.
};

/// For tests, over the machine's own file system, in one process. Thread-safe. Keeps overwritten
/// and removed files in memory so that it can bring them back. Only what was changed through it can
/// be lost.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FaultPlan plan);
  ~FaultyFileSystem() override;
  FaultyFileSystem(const FaultyFileSystem&) = delete;
  FaultyFileSystem& operator=(const FaultyFileSystem&) = delete;

  Result<std::unique_ptr<OutputFile>> create(const std::filesystem::path& path,
                                             unsigned permissions = 0644) override;
  Result<std::unique_ptr<OutputFile>> append(const std::filesystem::path& path) override;
  Result<std::unique_ptr<OutputFile>> open_stream(const std::filesystem::path& path) override;
  Result<std::unique_ptr<OutputFile>> open_descriptor(int descriptor,
                                                      const std::filesystem::path& name) override;
  Status copy_ownership(const std::filesystem::path& from,
                        const std::filesystem::path& to) override;
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status remove(const std::filesystem::path& path) override;
  Status make_directory(const std::filesystem::path& path, unsigned permissions = 0755) override;
  Status sync_directory(const std::filesystem::path& path) override;
  Status link(const std::filesystem::path& existing, const std::filesystem::path& name) override;
  Status touch(const std::filesystem::path& path) override;
  std::string sqlite_vfs() const override;

  /// Steps taken so far: a run without a fault tells how many there are to break.
  std::uint64_t num_steps() const;
  /// True once the planned step came.
  bool has_struck() const;

  struct State;  // Shared with the files it opened and its VFS; defined in the .cc file.

 private:
  std::shared_ptr<State> state_;  // Shared with open files, which may outlive this object.
  std::string vfs_name_;
};

}  // namespace panal::store
