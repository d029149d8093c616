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

/// A document as tokens. What is not learned is read by the model like the rest, but no loss is
/// taken on it: a user's turn of a conversation.
struct TokenDocument {
  std::vector<std::int32_t> tokens = {};
  std::vector<bool> is_learned = {};  // One for each token, or empty: all are.
  bool is_end_learned = true;         // The end-of-text token that a stream lays after it.
};

/// Writes documents as one shard, whole or not at all. Little endian:
///   bytes 0-7 "PANALTOK", 8-11 version (2, or 3 with a mask), 12-15 bytes per token (2 when the
///   vocabulary fits 65,536 ids, else 4), 16-23 vocabulary size, 24-31 token count, 32-39 document
///   count, 40-47 checksum of bytes 0-39, document ends and block checksums; then document ends
///   (uint64 each, in tokens, ascending), then the xxh3 of each block of 65,536 bytes of what
///   follows (the last one may be shorter), then the tokens, then, in version 3, the mask: a bit
///   for each token and then one for each document's end, lowest bit first, 1 where it is learned.
///   A shard of which everything is learned has no mask. docs/formats.md has the same as a table.
/// Errors: kInvalidArgument for a token outside [0, vocabulary_size) or no tokens at all.
/// Memory: about the size of the file; split larger data into several shards.
Status write_token_shard(store::FileSystem& files, const std::filesystem::path& path,
                         std::int64_t vocabulary_size, std::span<const TokenDocument> documents);
/// The same of documents that are learned whole.
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
  /// Whether something in it is not learned.
  bool has_mask() const { return mask_ != nullptr; }
  std::int64_t document_begin(std::int64_t document) const;  // In tokens.
  std::int64_t document_end(std::int64_t document) const;
  /// Names the content: it covers every token through the block checksums.
  std::uint64_t content_checksum() const;
  /// Copies tokens [begin, begin + out.size()); the caller stays inside [0, num_tokens()). Errors:
  /// kCorrupt when a block read for the first time has not its checksum or holds an id outside the
  /// vocabulary; `out` is then unchanged.
  Status read(std::int64_t begin, std::span<std::int32_t> out) const;
  /// Whether tokens [begin, begin + out.size()) are learned, 1 or 0 each; all 1 without a mask.
  /// Bounds and errors as read().
  Status read_learned(std::int64_t begin, std::span<std::uint8_t> out) const;
  /// The same of the end-of-text token after a document.
  Result<bool> is_end_learned(std::int64_t document) const;
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
  Status check_bytes(std::int64_t begin, std::int64_t end) const;
  std::int64_t token_at(std::int64_t position) const;
  bool mask_bit(std::int64_t bit) const;
  std::int64_t mask_bytes() const;
  std::int64_t payload_bytes() const { return num_tokens_ * token_bytes_ + mask_bytes(); }
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
  const std::byte* tokens_ = nullptr;     // Inside file_: the payload's start.
  const std::byte* mask_ = nullptr;       // Inside file_, after the tokens; null without one.
};

}  // namespace panal::data
