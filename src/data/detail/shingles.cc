#include "data/detail/shingles.h"
#include "base/utf8.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <limits>

#include "base/character_class.h"

namespace panal::data::detail {
namespace {

constexpr std::uint64_t kEmpty = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;

// The finalizer of SplitMix64.
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

// Of ASCII: the lower-case letter or digit, 0 for what parts words.
constexpr std::array<std::uint8_t, 128> kWordBytes = [] {
  std::array<std::uint8_t, 128> table{};
  for (std::uint8_t c = '0'; c <= '9'; ++c) table[c] = c;
  for (std::uint8_t c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = c;
  return table;
}();

char32_t folded(char32_t character) {
  return static_cast<char32_t>(u_foldCase(static_cast<UChar32>(character), U_FOLD_CASE_DEFAULT));
}

// Takes words as they end and gives out the shingles they complete.
class Shingler {
 public:
  explicit Shingler(std::vector<std::uint64_t>& out) : out_(out) {}
  void add(char32_t character) { word_ = (word_ ^ character) * kStep + (word_ >> 29) + 1; }
  void end_word() {
    if (word_ == 0) return;
    words_[count_++ % kShingleWords] = mixed(word_);
    word_ = 0;
    if (count_ >= kShingleWords) out_.push_back(joined(kShingleWords));
  }
  void finish() {
    end_word();
    if (count_ > 0 && count_ < kShingleWords) out_.push_back(joined(count_));
  }

 private:
  // Of the last words, in their order.
  std::uint64_t joined(std::size_t words) const {
    std::uint64_t hash = words;
    for (std::size_t i = count_ - words; i < count_; ++i) {
      hash = (hash ^ words_[i % kShingleWords]) * kStep;
      hash ^= hash >> 32;
    }
    return mixed(hash);
  }
  std::vector<std::uint64_t>& out_;
  std::array<std::uint64_t, kShingleWords> words_{};
  std::size_t count_ = 0;
  std::uint64_t word_ = 0;  // 0 between words.
};

}  // namespace

void shingles_of(std::string_view text, std::vector<std::uint64_t>& shingles) {
  shingles.clear();
  Shingler shingler(shingles);
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<std::uint8_t>(text[at]);
    if (byte < 0x80) {
      ++at;
      if (const std::uint8_t letter = kWordBytes[byte]; letter != 0) {
        shingler.add(letter);
      } else {
        shingler.end_word();
      }
      continue;
    }
    const Utf8Step step = next_character(text.substr(at));
    at += step.num_bytes;
    if (character_class(step.character) != CharacterClass::kNumber &&
        !is_word_character(step.character)) {
      shingler.end_word();
    } else if (is_spaceless(step.character)) {
      shingler.end_word();
      shingler.add(step.character);
      shingler.end_word();
    } else {
      shingler.add(folded(step.character));
    }
  }
  shingler.finish();
}

std::vector<std::uint64_t> shingle_set(std::string_view text) {
  std::vector<std::uint64_t> set;
  shingles_of(text, set);
  std::ranges::sort(set);
  set.erase(std::unique(set.begin(), set.end()), set.end());
  return set;
}

double jaccard(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  std::size_t shared = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    shared += a[i] == b[j] ? 1 : 0;
    const bool takes_a = a[i] <= b[j], takes_b = b[j] <= a[i];
    i += takes_a ? 1 : 0;
    j += takes_b ? 1 : 0;
  }
  const std::size_t all = a.size() + b.size() - shared;
  return all == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(all);
}

// One hash per shingle falls into one of the bins; an empty bin borrows from bins drawn by its own
// number, the same for every set.
Signature signature_of(const std::vector<std::uint64_t>& shingles) {
  Signature bins;
  bins.fill(kEmpty);
  for (const std::uint64_t shingle : shingles) {
    std::uint64_t& least = bins[shingle >> 57];
    least = std::min(least, shingle);
  }
  Signature dense = bins;
  for (std::uint64_t i = 0; i < kSignatureValues; ++i) {
    for (std::uint64_t attempt = 1; dense[i] == kEmpty; ++attempt) {
      dense[i] = bins[mixed(i * kStep + attempt) >> 57];
    }
  }
  return dense;
}

std::string folded_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool is_after_space = false;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = next_character(text.substr(at));
    at += step.num_bytes;
    if (character_class(step.character) == CharacterClass::kSpace) {
      is_after_space = true;
      continue;
    }
    if (is_after_space && !out.empty()) out += ' ';
    is_after_space = false;
    append_utf8(out, folded(step.character));
  }
  return out;
}

}  // namespace panal::data::detail
