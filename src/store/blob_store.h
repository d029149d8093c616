// Bytes under the name of their SHA-256: the same file is stored once, a reference can never mean
// other bytes later, and a flipped bit is found by hashing again. Layout: root/ab/ab12...(64
// digits), and root/incoming/ for what is still being written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/file_system.h"

namespace panal::store {

/// Any number of threads and processes may use one root at the same time. Blobs are read-only files
/// (0444).
class BlobStore {
 public:
  /// `files` must outlive the store.
  BlobStore(FileSystem& files, std::filesystem::path root);

  /// Makes the folders and removes what dead processes left half written. Call once before the
  /// first put.
  Status open();

  /// Copies the file in and returns its hash (64 hexadecimal digits). When it returns, the blob
  /// survives a power cut. A blob that is there already is checked, mended when its bytes are
  /// wrong, and counts as new for the sweep of unreferenced blobs. Memory: 1 MiB, whatever the
  /// file's size. Cost: one read, one write.
  Result<std::string> put_file(const std::filesystem::path& path);
  Result<std::string> put_bytes(std::string_view bytes);

  /// Where the blob lies. Errors: kInvalidArgument when it is no hash; kNotFound.
  Result<std::filesystem::path> path_of(std::string_view hash) const;
  bool has(std::string_view hash) const { return path_of(hash).ok(); }
  Result<std::uint64_t> num_bytes(std::string_view hash) const;
  /// The content, at most `max_bytes` of it, with its hash checked. Errors: as path_of, read_file,
  /// verify.
  Result<std::string> read(std::string_view hash, std::uint64_t max_bytes) const;

  /// Hashes the blob again. Errors: kNotFound; kCorrupt says what hash its bytes have now.
  Status verify(std::string_view hash) const;

  struct Entry {
    std::string hash;
    std::uint64_t num_bytes = 0;
    std::int64_t changed_unix_ms = 0;  // When it was last put.
  };
  /// Every blob, in order of hash.
  Result<std::vector<Entry>> list() const;
  /// Forgets a blob. Only for one that nothing refers to. Errors: kNotFound.
  Status remove(std::string_view hash);

  const std::filesystem::path& root() const { return root_; }

 private:
  class Incoming;
  Result<std::string> adopt(Incoming& incoming);
  std::filesystem::path place_of(std::string_view hash) const;
  Status sweep_incoming();

  FileSystem& files_;
  const std::filesystem::path root_;
};

}  // namespace panal::store
