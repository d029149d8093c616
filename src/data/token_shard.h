// Tokens on disk: one file holds the token ids of many documents and where each begins. It is
// mapped, not read, so a run over gigabytes starts at once; a checksum finds torn or flipped bytes
// before a model learns them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/file_system.h"
#include "store/mapped_file.h"

namespace panal::data {

/// Writes documents' tokens as one shard, whole or not at all. Little endian:
///   bytes 0-7 "PANALTOK", 8-11 version 1, 12-15 bytes per token (2 when the vocabulary fits 65,536
///   ids, else 4), 16-23 vocabulary size, 24-31 token count, 32-39 document count, 40-47 xxh3 of
///   the rest of the file chained with the header's first 40 bytes, then document ends (uint64
///   each, in tokens, ascending), then the tokens.
/// Errors: kInvalidArgument for a token outside [0, vocabulary_size) or no tokens at all.
/// Memory: about the size of the file; split larger data into several shards.
Status write_token_shard(store::FileSystem& files, const std::filesystem::path& path,
                         std::int64_t vocabulary_size,
                         std::span<const std::vector<std::int32_t>> documents);

/// A shard open for reading. Immutable and thread-safe.
class TokenShard {
 public:
  /// Checks header, lengths, document ends, checksum and every token id, so later reads cannot
  /// fail. Errors: kCorrupt saying what was expected and found; kNotFound. Cost: one pass over the
  /// file.
  static Result<TokenShard> open(const std::filesystem::path& path);

  std::int64_t vocabulary_size() const { return vocabulary_size_; }
  std::int64_t num_tokens() const { return num_tokens_; }
  std::int64_t num_documents() const { return num_documents_; }
  std::int64_t document_begin(std::int64_t document) const;  // In tokens.
  std::int64_t document_end(std::int64_t document) const;
  std::int32_t token(std::int64_t position) const;
  /// Copies tokens [begin, begin + out.size()); the caller stays inside [0, num_tokens()).
  void read(std::int64_t begin, std::span<std::int32_t> out) const;

 private:
  explicit TokenShard(std::shared_ptr<const store::MappedFile> file) : file_(std::move(file)) {}
  Status check(const std::string& where);
  Status check_documents_and_tokens(const std::string& where) const;

  std::shared_ptr<const store::MappedFile> file_;  // Shared by the copies of one shard.
  std::int64_t vocabulary_size_ = 0;
  std::int64_t num_tokens_ = 0;
  std::int64_t num_documents_ = 0;
  std::uint32_t token_bytes_ = 0;
  const std::byte* ends_ = nullptr;    // Inside file_.
  const std::byte* tokens_ = nullptr;  // Inside file_.
};

}  // namespace panal::data
