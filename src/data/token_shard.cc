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
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kChecksumAt = 40;
constexpr std::int64_t kMaxVocabulary = std::numeric_limits<std::int32_t>::max();

template <typename T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
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

// Over the header's fields first, then the rest, so that no byte of the file is outside it.
std::uint64_t checksum(std::span<const std::byte> header, std::span<const std::byte> rest) {
  const std::uint64_t parts[2] = {xxh3_64(header), xxh3_64(rest)};
  return xxh3_64(std::as_bytes(std::span(parts)));
}

Status corrupt(std::string_view where, std::string_view what) {
  return Status(Code::kCorrupt, fmt::format("token shard {}: {}", where, what));
}

}  // namespace

Status write_token_shard(store::FileSystem& files, const std::filesystem::path& path,
                         std::int64_t vocabulary_size,
                         std::span<const std::vector<std::int32_t>> documents) {
  const auto refuse = [&](std::string_view what) {
    return Status(Code::kInvalidArgument, fmt::format("token shard {}: {}", path.string(), what));
  };
  if (vocabulary_size < 1 || vocabulary_size > kMaxVocabulary) {
    return refuse(fmt::format("the vocabulary size must be from 1 to {}, found {}", kMaxVocabulary,
                              vocabulary_size));
  }
  const std::uint32_t token_bytes = token_bytes_for(vocabulary_size);
  std::string ends;
  std::string tokens;
  std::uint64_t num_tokens = 0;
  for (const std::vector<std::int32_t>& document : documents) {
    for (const std::int32_t token : document) {
      if (token < 0 || token >= vocabulary_size) {
        return refuse(
            fmt::format("token {} is outside the vocabulary of {} ids", token, vocabulary_size));
      }
      token_bytes == 2 ? append(tokens, static_cast<std::uint16_t>(token))
                       : append(tokens, static_cast<std::uint32_t>(token));
    }
    num_tokens += document.size();
    append(ends, num_tokens);
  }
  if (num_tokens == 0) return refuse("there are no tokens to write");
  std::string bytes(kMagic);
  append(bytes, kVersion);
  append(bytes, token_bytes);
  append(bytes, static_cast<std::uint64_t>(vocabulary_size));
  append(bytes, num_tokens);
  append(bytes, static_cast<std::uint64_t>(documents.size()));
  const std::string rest = ends + tokens;
  append(bytes, checksum(std::as_bytes(std::span(bytes)), std::as_bytes(std::span(rest))));
  return store::write_file_atomically(files, path, bytes + rest);
}

Result<TokenShard> TokenShard::open(const std::filesystem::path& path) {
  PANAL_ASSIGN(store::MappedFile file, store::MappedFile::open(path));
  TokenShard shard(std::make_shared<const store::MappedFile>(std::move(file)));
  PANAL_TRY(shard.check(path.string()));
  return shard;
}

Status TokenShard::check(const std::string& where) {
  const std::span<const std::byte> bytes = file_->bytes();
  if (bytes.size() < kHeaderBytes) {
    return corrupt(where, fmt::format("expected a header of {} bytes, found a file of {}",
                                      kHeaderBytes, bytes.size()));
  }
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return corrupt(where, "it does not begin with \"PANALTOK\"");
  }
  if (const auto version = load<std::uint32_t>(bytes.data() + 8); version != kVersion) {
    return corrupt(where, fmt::format("expected version {}, found {}", kVersion, version));
  }
  token_bytes_ = load<std::uint32_t>(bytes.data() + 12);
  const auto vocabulary = load<std::uint64_t>(bytes.data() + 16);
  const auto num_tokens = load<std::uint64_t>(bytes.data() + 24);
  const auto num_documents = load<std::uint64_t>(bytes.data() + 32);
  if (vocabulary < 1 || vocabulary > static_cast<std::uint64_t>(kMaxVocabulary) ||
      token_bytes_ != token_bytes_for(static_cast<std::int64_t>(vocabulary))) {
    return corrupt(where,
                   fmt::format("a vocabulary of {} ids with {} bytes per token makes no sense",
                               vocabulary, token_bytes_));
  }
  // Divisions, so that hostile counts cannot overflow a product.
  const std::uint64_t rest_bytes = bytes.size() - kHeaderBytes;
  const bool fits = num_documents <= rest_bytes / 8 &&
                    num_tokens <= (rest_bytes - num_documents * 8) / token_bytes_ &&
                    num_documents * 8 + num_tokens * token_bytes_ == rest_bytes;
  if (!fits || num_tokens == 0) {
    return corrupt(
        where,
        fmt::format("{} tokens of {} bytes in {} documents do not fill the {} bytes after the "
                    "header (a file cut short?)",
                    num_tokens, token_bytes_, num_documents, rest_bytes));
  }
  vocabulary_size_ = static_cast<std::int64_t>(vocabulary);
  num_tokens_ = static_cast<std::int64_t>(num_tokens);
  num_documents_ = static_cast<std::int64_t>(num_documents);
  ends_ = bytes.data() + kHeaderBytes;
  tokens_ = ends_ + num_documents * 8;
  const auto wanted = load<std::uint64_t>(bytes.data() + kChecksumAt);
  const std::uint64_t found = checksum(bytes.first(kChecksumAt), bytes.subspan(kHeaderBytes));
  if (wanted != found) {
    return corrupt(
        where,
        fmt::format("expected checksum {:016x}, found {:016x}: bytes have changed", wanted, found));
  }
  return check_documents_and_tokens(where);
}

// A file with a right checksum may still have been made to hurt.
Status TokenShard::check_documents_and_tokens(const std::string& where) const {
  std::uint64_t last = 0;
  for (std::int64_t i = 0; i < num_documents_; ++i) {
    const auto end = load<std::uint64_t>(ends_ + i * 8);
    if (end < last || end > static_cast<std::uint64_t>(num_tokens_)) {
      return corrupt(where, fmt::format("document {} ends at token {}, expected {} to {}", i, end,
                                        last, num_tokens_));
    }
    last = end;
  }
  if (last != static_cast<std::uint64_t>(num_tokens_)) {
    return corrupt(
        where, fmt::format("the last document ends at token {}, expected {}", last, num_tokens_));
  }
  for (std::int64_t i = 0; i < num_tokens_; ++i) {
    const std::int64_t id = token_bytes_ == 2
                                ? static_cast<std::int64_t>(load<std::uint16_t>(tokens_ + i * 2))
                                : static_cast<std::int64_t>(load<std::uint32_t>(tokens_ + i * 4));
    if (id >= vocabulary_size_) {
      return corrupt(where, fmt::format("token {} is {}, outside the vocabulary of {} ids", i, id,
                                        vocabulary_size_));
    }
  }
  return Status();
}

std::int64_t TokenShard::document_begin(std::int64_t document) const {
  return document == 0 ? 0 : document_end(document - 1);
}

std::int64_t TokenShard::document_end(std::int64_t document) const {
  PANAL_CHECK(document >= 0 && document < num_documents_, "document index out of range");
  return static_cast<std::int64_t>(load<std::uint64_t>(ends_ + document * 8));
}

std::int32_t TokenShard::token(std::int64_t position) const {
  std::int32_t id = 0;
  read(position, std::span(&id, 1));
  return id;
}

void TokenShard::read(std::int64_t begin, std::span<std::int32_t> out) const {
  const auto count = static_cast<std::int64_t>(out.size());
  PANAL_CHECK(begin >= 0 && count <= num_tokens_ && begin <= num_tokens_ - count,
              "tokens out of range");
  if (count == 0) return;
  if (token_bytes_ == 4) {
    std::memcpy(out.data(), tokens_ + begin * 4, out.size_bytes());
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    out[static_cast<std::size_t>(i)] = load<std::uint16_t>(tokens_ + (begin + i) * 2);
  }
}

}  // namespace panal::data
