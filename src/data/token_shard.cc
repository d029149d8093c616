#include "data/token_shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/hash.h"

namespace panal::data {
namespace {

static_assert(std::endian::native == std::endian::little,
              "shards are read in place as little endian");

constexpr std::string_view kMagic = "PANALTOK";
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kMaskedVersion = 3;
constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kChecksumAt = 40;
// No more than the kernel reads ahead for one page fault, so checking a block costs no reading.
constexpr std::int64_t kBlockBytes = 65'536;
constexpr std::int64_t kMaxVocabulary = std::numeric_limits<std::int32_t>::max();

template <typename T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
void store_at(std::string& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

std::uint32_t token_bytes_for(std::int64_t vocabulary_size) {
  return vocabulary_size <= 65'536 ? 2 : 4;
}

// Over the header's fields first, then what follows, so that no byte before the tokens is outside.
std::uint64_t checksum(std::span<const std::byte> header, std::span<const std::byte> rest) {
  const std::uint64_t parts[2] = {xxh3_64(header), xxh3_64(rest)};
  return xxh3_64(std::as_bytes(std::span(parts)));
}

std::int64_t blocks_of(std::uint64_t bytes) {
  return static_cast<std::int64_t>(bytes / kBlockBytes + (bytes % kBlockBytes > 0 ? 1 : 0));
}

std::int64_t mask_bytes_of(std::int64_t num_tokens, std::int64_t num_documents) {
  return (num_tokens + num_documents + 7) / 8;
}

bool has_all_learned(std::span<const TokenDocument> documents) {
  return std::ranges::all_of(documents, [](const TokenDocument& document) {
    return document.is_end_learned &&
           std::ranges::find(document.is_learned, false) == document.is_learned.end();
  });
}

// A bit for each token, then one for each document's end.
std::string mask_of(std::span<const TokenDocument> documents, std::int64_t num_tokens) {
  std::string mask(static_cast<std::size_t>(
                       mask_bytes_of(num_tokens, static_cast<std::int64_t>(documents.size()))),
                   '\0');
  std::size_t bit = 0;
  const auto put = [&](bool is_learned) {
    if (is_learned) mask[bit / 8] |= static_cast<char>(1 << (bit % 8));
    ++bit;
  };
  for (const TokenDocument& document : documents) {
    for (std::size_t i = 0; i < document.tokens.size(); ++i) {
      put(document.is_learned.empty() || document.is_learned[i]);
    }
  }
  for (const TokenDocument& document : documents) put(document.is_end_learned);
  return mask;
}

// Of each block after the tables, then of header and tables.
void put_checksums(std::string& bytes, std::size_t num_documents, std::size_t num_blocks) {
  const std::size_t described = (num_documents + num_blocks) * 8;
  const auto all = std::as_bytes(std::span(bytes));
  const auto payload = all.subspan(kHeaderBytes + described);
  for (std::size_t block = 0; block < num_blocks; ++block) {
    const std::size_t begin = block * kBlockBytes;
    const std::size_t length = std::min<std::size_t>(kBlockBytes, payload.size() - begin);
    store_at(bytes, kHeaderBytes + (num_documents + block) * 8,
             xxh3_64(payload.subspan(begin, length)));
  }
  store_at(bytes, kChecksumAt,
           checksum(all.first(kChecksumAt), all.subspan(kHeaderBytes, described)));
}

Status corrupt(std::string_view where, std::string_view what) {
  return Status(Code::kCorrupt, fmt::format("token shard {}: {}", where, what));
}

}  // namespace

Status write_token_shard(store::FileSystem& files, const std::filesystem::path& path,
                         std::int64_t vocabulary_size, std::span<const TokenDocument> documents) {
  const auto refuse = [&](std::string_view what) {
    return Status(Code::kInvalidArgument, fmt::format("token shard {}: {}", path.string(), what));
  };
  if (vocabulary_size < 1 || vocabulary_size > kMaxVocabulary) {
    return refuse(fmt::format("the vocabulary size must be from 1 to {}, found {}", kMaxVocabulary,
                              vocabulary_size));
  }
  const std::uint32_t token_bytes = token_bytes_for(vocabulary_size);
  std::uint64_t num_tokens = 0;
  for (const TokenDocument& document : documents) {
    PANAL_CHECK(document.is_learned.empty() || document.is_learned.size() == document.tokens.size(),
                "one mark for each token");
    num_tokens += document.tokens.size();
  }
  if (num_tokens == 0) return refuse("there are no tokens to write");
  std::string mask;
  if (!has_all_learned(documents)) mask = mask_of(documents, static_cast<std::int64_t>(num_tokens));
  const auto num_blocks =
      static_cast<std::size_t>(blocks_of(num_tokens * token_bytes + mask.size()));
  const std::size_t described = (documents.size() + num_blocks) * 8;
  std::string bytes(kMagic);
  bytes.reserve(kHeaderBytes + described + num_tokens * token_bytes + mask.size());
  append(bytes, mask.empty() ? kVersion : kMaskedVersion);
  append(bytes, token_bytes);
  append(bytes, static_cast<std::uint64_t>(vocabulary_size));
  append(bytes, num_tokens);
  append(bytes, static_cast<std::uint64_t>(documents.size()));
  append(bytes, std::uint64_t{0});
  std::uint64_t end = 0;
  for (const TokenDocument& document : documents) append(bytes, end += document.tokens.size());
  bytes.resize(kHeaderBytes + described);
  for (const TokenDocument& document : documents) {
    for (const std::int32_t token : document.tokens) {
      if (token < 0 || token >= vocabulary_size) {
        return refuse(
            fmt::format("token {} is outside the vocabulary of {} ids", token, vocabulary_size));
      }
      token_bytes == 2 ? append(bytes, static_cast<std::uint16_t>(token))
                       : append(bytes, static_cast<std::uint32_t>(token));
    }
  }
  bytes += mask;
  put_checksums(bytes, documents.size(), num_blocks);
  return store::write_file_atomically(files, path, bytes);
}

Status write_token_shard(store::FileSystem& files, const std::filesystem::path& path,
                         std::int64_t vocabulary_size,
                         std::span<const std::vector<std::int32_t>> documents) {
  std::vector<TokenDocument> whole;
  whole.reserve(documents.size());
  for (const std::vector<std::int32_t>& tokens : documents) whole.push_back({.tokens = tokens});
  return write_token_shard(files, path, vocabulary_size, whole);
}

Result<TokenShard> TokenShard::open(const std::filesystem::path& path) {
  PANAL_ASSIGN(store::MappedFile file, store::MappedFile::open(path));
  TokenShard shard(std::make_shared<const store::MappedFile>(std::move(file)), path.string());
  PANAL_TRY(shard.read_header());
  PANAL_TRY(shard.check_documents());
  shard.blocks_ = std::make_shared<Blocks>(static_cast<std::size_t>(shard.num_blocks()));
  return shard;
}

Status TokenShard::read_header() {
  const std::span<const std::byte> bytes = file_->bytes();
  if (bytes.size() < kHeaderBytes) {
    return corrupt(where_, fmt::format("expected a header of {} bytes, found a file of {}",
                                       kHeaderBytes, bytes.size()));
  }
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return corrupt(where_, "it does not begin with \"PANALTOK\"");
  }
  const auto version = load<std::uint32_t>(bytes.data() + 8);
  if (version != kVersion && version != kMaskedVersion) {
    return corrupt(where_, fmt::format("expected version {} or {}, found {}", kVersion,
                                       kMaskedVersion, version));
  }
  token_bytes_ = load<std::uint32_t>(bytes.data() + 12);
  const auto vocabulary = load<std::uint64_t>(bytes.data() + 16);
  const auto num_tokens = load<std::uint64_t>(bytes.data() + 24);
  const auto num_documents = load<std::uint64_t>(bytes.data() + 32);
  if (vocabulary < 1 || vocabulary > static_cast<std::uint64_t>(kMaxVocabulary) ||
      token_bytes_ != token_bytes_for(static_cast<std::int64_t>(vocabulary))) {
    return corrupt(where_,
                   fmt::format("a vocabulary of {} ids with {} bytes per token makes no sense",
                               vocabulary, token_bytes_));
  }
  // Bounds before products, so that hostile counts cannot overflow.
  const std::uint64_t rest_bytes = bytes.size() - kHeaderBytes;
  bool fits =
      num_tokens > 0 && num_documents <= rest_bytes / 8 && num_tokens <= rest_bytes / token_bytes_;
  std::uint64_t described = 0;
  if (fits) {
    std::uint64_t payload = num_tokens * token_bytes_;
    if (version == kMaskedVersion) {
      payload += static_cast<std::uint64_t>(mask_bytes_of(
          static_cast<std::int64_t>(num_tokens), static_cast<std::int64_t>(num_documents)));
    }
    described = (num_documents + static_cast<std::uint64_t>(blocks_of(payload))) * 8;
    fits = described + payload == rest_bytes;
  }
  if (!fits) {
    return corrupt(
        where_,
        fmt::format("{} tokens of {} bytes in {} documents do not fill the {} bytes after the "
                    "header (a file cut short?)",
                    num_tokens, token_bytes_, num_documents, rest_bytes));
  }
  vocabulary_size_ = static_cast<std::int64_t>(vocabulary);
  num_tokens_ = static_cast<std::int64_t>(num_tokens);
  num_documents_ = static_cast<std::int64_t>(num_documents);
  ends_ = bytes.data() + kHeaderBytes;
  checksums_ = ends_ + num_documents * 8;
  tokens_ = ends_ + described;
  if (version == kMaskedVersion) mask_ = tokens_ + num_tokens * token_bytes_;
  const std::uint64_t found =
      checksum(bytes.first(kChecksumAt), bytes.subspan(kHeaderBytes, described));
  if (content_checksum() == found) return Status();
  return corrupt(where_, fmt::format("expected checksum {:016x} of header and tables, found "
                                     "{:016x}: bytes have changed",
                                     content_checksum(), found));
}

// A file with a right checksum may still have been made to hurt.
Status TokenShard::check_documents() const {
  std::uint64_t last = 0;
  for (std::int64_t i = 0; i < num_documents_; ++i) {
    const auto end = load<std::uint64_t>(ends_ + i * 8);
    if (end < last || end > static_cast<std::uint64_t>(num_tokens_)) {
      return corrupt(where_, fmt::format("document {} ends at token {}, expected {} to {}", i, end,
                                         last, num_tokens_));
    }
    last = end;
  }
  if (last == static_cast<std::uint64_t>(num_tokens_)) return Status();
  return corrupt(where_,
                 fmt::format("the last document ends at token {}, expected {}", last, num_tokens_));
}

Status TokenShard::check_block(std::int64_t block) const {
  std::atomic<bool>& is_checked = blocks_->is_checked[static_cast<std::size_t>(block)];
  if (is_checked.load(std::memory_order_relaxed)) return Status();
  const std::int64_t begin = block * kBlockBytes;
  const std::int64_t end = std::min(begin + kBlockBytes, payload_bytes());
  const auto wanted = load<std::uint64_t>(checksums_ + block * 8);
  const std::uint64_t found =
      xxh3_64(std::span(tokens_ + begin, static_cast<std::size_t>(end - begin)));
  const std::int64_t tokens_end = std::min(end, num_tokens_ * token_bytes_);
  if (wanted != found) {
    const std::string what =
        begin >= tokens_end
            ? std::string("the mask")
            : fmt::format("tokens {} to {}", begin / token_bytes_, tokens_end / token_bytes_ - 1);
    return corrupt(where_, fmt::format("expected checksum {:016x} of {}, found {:016x}: bytes have "
                                       "changed",
                                       wanted, what, found));
  }
  for (std::int64_t i = begin / token_bytes_; i < tokens_end / token_bytes_; ++i) {
    if (const std::int64_t id = token_at(i); id >= vocabulary_size_) {
      return corrupt(where_, fmt::format("token {} is {}, outside the vocabulary of {} ids", i, id,
                                         vocabulary_size_));
    }
  }
  is_checked.store(true, std::memory_order_relaxed);
  return Status();
}

Status TokenShard::verify() const {
  for (std::int64_t block = 0; block < num_blocks(); ++block) PANAL_TRY(check_block(block));
  return Status();
}

std::int64_t TokenShard::num_blocks() const {
  return blocks_of(static_cast<std::uint64_t>(payload_bytes()));
}

std::int64_t TokenShard::mask_bytes() const {
  return has_mask() ? mask_bytes_of(num_tokens_, num_documents_) : 0;
}

bool TokenShard::mask_bit(std::int64_t bit) const {
  return (std::to_integer<unsigned>(mask_[bit / 8]) >> (bit % 8) & 1) != 0;
}

// Checks the blocks that hold these bytes of the payload.
Status TokenShard::check_bytes(std::int64_t begin, std::int64_t end) const {
  for (std::int64_t block = begin / kBlockBytes; block <= (end - 1) / kBlockBytes; ++block) {
    PANAL_TRY(check_block(block));
  }
  return Status();
}

std::uint64_t TokenShard::content_checksum() const {
  return load<std::uint64_t>(file_->bytes().data() + kChecksumAt);
}

std::int64_t TokenShard::document_begin(std::int64_t document) const {
  return document == 0 ? 0 : document_end(document - 1);
}

std::int64_t TokenShard::document_end(std::int64_t document) const {
  PANAL_CHECK(document >= 0 && document < num_documents_, "document index out of range");
  return static_cast<std::int64_t>(load<std::uint64_t>(ends_ + document * 8));
}

std::int64_t TokenShard::token_at(std::int64_t position) const {
  return token_bytes_ == 2 ? static_cast<std::int64_t>(load<std::uint16_t>(tokens_ + position * 2))
                           : static_cast<std::int64_t>(load<std::uint32_t>(tokens_ + position * 4));
}

Status TokenShard::read(std::int64_t begin, std::span<std::int32_t> out) const {
  const auto count = static_cast<std::int64_t>(out.size());
  PANAL_CHECK(begin >= 0 && count <= num_tokens_ && begin <= num_tokens_ - count,
              "tokens out of range");
  if (count == 0) return Status();
  PANAL_TRY(check_bytes(begin * token_bytes_, (begin + count) * token_bytes_));
  if (token_bytes_ == 4) {
    std::memcpy(out.data(), tokens_ + begin * 4, out.size_bytes());
    return Status();
  }
  for (std::int64_t i = 0; i < count; ++i) {
    out[static_cast<std::size_t>(i)] = load<std::uint16_t>(tokens_ + (begin + i) * 2);
  }
  return Status();
}

Status TokenShard::read_learned(std::int64_t begin, std::span<std::uint8_t> out) const {
  const auto count = static_cast<std::int64_t>(out.size());
  PANAL_CHECK(begin >= 0 && count <= num_tokens_ && begin <= num_tokens_ - count,
              "tokens out of range");
  if (count == 0) return Status();
  if (!has_mask()) {
    std::ranges::fill(out, std::uint8_t{1});
    return Status();
  }
  const std::int64_t mask_begin = num_tokens_ * token_bytes_;
  PANAL_TRY(check_bytes(mask_begin + begin / 8, mask_begin + (begin + count - 1) / 8 + 1));
  for (std::int64_t i = 0; i < count; ++i) {
    out[static_cast<std::size_t>(i)] = mask_bit(begin + i) ? 1 : 0;
  }
  return Status();
}

Result<bool> TokenShard::is_end_learned(std::int64_t document) const {
  PANAL_CHECK(document >= 0 && document < num_documents_, "document index out of range");
  if (!has_mask()) return true;
  const std::int64_t bit = num_tokens_ + document;
  const std::int64_t at = num_tokens_ * token_bytes_ + bit / 8;
  PANAL_TRY(check_bytes(at, at + 1));
  return mask_bit(bit);
}

}  // namespace panal::data
