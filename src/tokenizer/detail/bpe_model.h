// Byte-pair encoding of one piece of text: bytes become tokens, then the pair with the lowest rank
// merges again and again (Sennrich et al., "Neural Machine Translation of Rare Words with Subword
// Units", 2016). The order of merges is that of Hugging Face `tokenizers`, down to its treatment of
// pairs that spell the same token.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace panal::tokenizer::detail {

/// From a pair of token ids to the rank and result of their merge: open addressing, half full.
class MergeTable {
 public:
  struct Merge {
    std::int32_t rank = -1;  // -1: the pair does not merge.
    std::int32_t result = -1;
  };
  explicit MergeTable(std::size_t num_merges = 0);
  /// A later merge of the same pair replaces the earlier one.
  void insert(std::int32_t left, std::int32_t right, Merge merge);
  Merge find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = (std::uint64_t(std::uint32_t(left)) << 32) | std::uint32_t(right);
    for (std::size_t at = place(key);; at = (at + 1) & mask_) {
      if (keys_[at] == key) return merges_[at];
      if (keys_[at] == kEmpty) return {};
    }
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  std::size_t place(std::uint64_t key) const {
    return std::size_t((key * 0x9E3779B97F4A7C15ULL) >> 32) & mask_;
  }
  std::size_t mask_ = 0;
  std::vector<std::uint64_t> keys_;
  std::vector<Merge> merges_;
};

/// Recent words with their tokens, direct-mapped: 1 MiB whatever the text. One thread at a time.
class WordCache {
 public:
  static constexpr std::size_t kMaxWordBytes = 30;
  static constexpr std::size_t kMaxTokens = 8;
  struct Slot {
    std::uint8_t num_bytes = 0;
    std::uint8_t num_tokens = 0;
    std::array<char, kMaxWordBytes> bytes;
    std::array<std::int32_t, kMaxTokens> tokens;
    bool holds(std::string_view word) const {
      return num_bytes == word.size() && std::string_view(bytes.data(), num_bytes) == word;
    }
  };
  WordCache() : slots_(kNumSlots) {}
  Slot& slot(std::string_view word);

 private:
  static constexpr std::size_t kNumSlots = 16384;
  std::vector<Slot> slots_;
};

struct BpeModel {
  MergeTable merges;
  std::array<std::int32_t, 256> byte_ids;             // -1: the byte has no token.
  std::unordered_map<std::string, std::int32_t> ids;  // By bytes.
  bool ignores_merges = false;                        // A piece that is a token is that token.
  std::optional<std::int32_t> unknown_id;  // For bytes without a token; without it they vanish.
  bool fuses_unknown = false;

  /// Space that encode() reuses; one per thread.
  struct Scratch {
    struct Symbol {
      std::int32_t id;
      std::int32_t previous;
      std::int32_t next;
      bool is_alive;
    };
    struct Candidate {
      std::int32_t rank;
      std::int32_t at;
      std::int32_t result;
      bool operator>(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : at > other.at;
      }
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    WordCache cache;
  };
  /// Appends the tokens of one piece (under 2^31 bytes). Cost: n log n in its bytes, constant for a
  /// cached word.
  void encode(std::string_view piece, Scratch& scratch, std::vector<std::int32_t>& out) const;

 private:
  void encode_uncached(std::string_view piece, Scratch& scratch,
                       std::vector<std::int32_t>& out) const;
  void merge_all(Scratch& scratch) const;
};

}  // namespace panal::tokenizer::detail
