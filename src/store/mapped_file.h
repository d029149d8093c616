// A file as memory: large weights and token shards are used without reading them into the heap
// first.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace panal::store {

/// A regular file mapped read-only. Movable; any number of threads may read bytes().
/// Who cuts a mapped file shorter ends every process that reads it (SIGBUS): panal only replaces
/// files by rename, never in place.
class MappedFile {
 public:
  /// Errors: kNotFound; kInvalidArgument when it is not a regular file; kResourceExhausted;
  /// kUnavailable.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  /// Empty for an empty file. Valid as long as this object, also after a move of it.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;  // Owned: unmapped in the destructor.
};

}  // namespace panal::store
