// Tokens on disk: one file holds the token ids of many documents and where each begins. It is
// mapped, not read, so a run over gigabytes starts at once. Checksums find torn or flipped bytes
// before a model learns them: what describes the tokens is checked when a shard is opened, each
// block of tokens when it is first read, so that opening 100 GB does not read 100 GB.
#pragma once

#include <atomic>
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
///   bytes 0-7 "PANALTOK", 8-11 version 2, 12-15 bytes per token (2 when the vocabulary fits 65,536
///   ids, else 4), 16-23 vocabulary size, 24-31 token count, 32-39 document count, 40-47 checksum
///   of bytes 0-39, document ends and block checksums; then document ends (uint64 each, in tokens,
///   ascending), then the xxh3 of each block of 65,536 bytes of tokens (the last one may be
///   shorter), then the tokens. docs/formats.md has the same as a table.
/// Errors: kInvalidArgument for a token outside [0, vocabulary_size) or no tokens at all.
/// Memory: about the size of the file; split larger data into several shards.
Status write_token_shard(store::FileSystem& files, const std::filesystem::path& path,
                         std::int64_t vocabulary_size,
                         std::span<const std::vector<std::int32_t>> documents);

/// A shard open for reading. Copies share the mapping and what is known of its blocks. Thread-safe.
class TokenShard {
 public:
  /// Checks header, lengths, document ends and the table of block checksums. Errors: kCorrupt
  /// naming the file, what was expected and found; kNotFound. Cost: 8 bytes are read per document
  /// and per 64 KiB of tokens; the tokens stay unread.
  static Result<TokenShard> open(const std::filesystem::path& path);

  std::int64_t vocabulary_size() const { return vocabulary_size_; }
  std::int64_t num_tokens() const { return num_tokens_; }
  std::int64_t num_documents() const { return num_documents_; }
  std::int64_t document_begin(std::int64_t document) const;  // In tokens.
  std::int64_t document_end(std::int64_t document) const;
  /// Names the content: it covers every token through the block checksums.
  std::uint64_t content_checksum() const;
  /// Copies tokens [begin, begin + out.size()); the caller stays inside [0, num_tokens()). Errors:
  /// kCorrupt when a block read for the first time has not its checksum or holds an id outside the
  /// vocabulary; `out` is then unchanged.
  Status read(std::int64_t begin, std::span<std::int32_t> out) const;
  /// Checks every block that was not read yet. Cost: one pass over the file.
  Status verify() const;

 private:
  struct Blocks {
    explicit Blocks(std::size_t count) : is_checked(count) {}
    std::vector<std::atomic<bool>> is_checked;  // Two threads may check one block twice.
  };
  TokenShard(std::shared_ptr<const store::MappedFile> file, std::string where)
      : file_(std::move(file)), where_(std::move(where)) {}
  Status read_header();
  Status check_documents() const;
  Status check_block(std::int64_t block) const;
  std::int64_t token_at(std::int64_t position) const;
  std::int64_t num_blocks() const;

  std::shared_ptr<const store::MappedFile> file_;  // Shared by the copies of one shard.
  std::shared_ptr<Blocks> blocks_;                 // Likewise.
  std::string where_;
  std::int64_t vocabulary_size_ = 0;
  std::int64_t num_tokens_ = 0;
  std::int64_t num_documents_ = 0;
  std::uint32_t token_bytes_ = 0;
  const std::byte* ends_ = nullptr;       // Inside file_.
  const std::byte* checksums_ = nullptr;  // Inside file_.
  const std::byte* tokens_ = nullptr;     // Inside file_.
};

}  // namespace panal::data
