// Thousands of damaged files: whatever is flipped, cut or set to an extreme, opening and reading
// gives a Status or values, and never touches a byte outside the file (the sanitizer build proves
// that).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/rng.h"
#include "tests/weights/weights_files.h"
#include "weights/weight_source.h"

namespace panal::weights {
namespace {

constexpr std::uint64_t kSeed = 4711;
constexpr int kRounds = 4000;

std::size_t below(Rng& rng, std::size_t limit) {
  return static_cast<std::size_t>(rng.below(limit));
}

void flip_bits(std::string& bytes, Rng& rng) {
  for (std::size_t i = 0, n = 1 + below(rng, 8); i < n; ++i) {
    bytes[below(rng, bytes.size())] ^= static_cast<char>(1 << below(rng, 8));
  }
}

/// Lengths, counts and offsets are 4 or 8 bytes somewhere near the front: set some to extremes.
void set_extreme(std::string& bytes, Rng& rng) {
  constexpr std::array<std::uint64_t, 9> kExtremes = {0,
                                                      1,
                                                      0x7F,
                                                      0xFFFF,
                                                      0x7FFFFFFF,
                                                      0xFFFFFFFF,
                                                      0x7FFFFFFFFFFFFFFF,
                                                      0x8000000000000000,
                                                      ~std::uint64_t{0}};
  const std::uint64_t extreme = kExtremes[below(rng, kExtremes.size())];
  const std::size_t width = below(rng, 2) == 0 ? 4 : 8;
  const std::size_t at = below(rng, std::min<std::size_t>(bytes.size() - width, 1200));
  std::memcpy(bytes.data() + at, &extreme, width);
}

/// In a JSON header digits are what decides: change one, or repeat a stretch.
void change_digits(std::string& bytes, Rng& rng) {
  const std::size_t start = below(rng, bytes.size());
  const std::size_t at = bytes.find_first_of("0123456789", start);
  if (at != std::string::npos) bytes[at] = static_cast<char>('0' + below(rng, 10));
  if (below(rng, 4) == 0)
    bytes.insert(start, bytes.substr(below(rng, bytes.size()), 1 + below(rng, 40)));
}

std::string damaged(const std::string& whole, Rng& rng) {
  std::string bytes = whole;
  switch (below(rng, 4)) {
    case 0:
      flip_bits(bytes, rng);
      break;
    case 1:
      set_extreme(bytes, rng);
      break;
    case 2:
      change_digits(bytes, rng);
      break;
    default:
      flip_bits(bytes, rng);
      bytes.resize(below(rng, bytes.size() + 1));
      break;
  }
  return bytes;
}

void ask_all_metadata(const GgufFile& file) {
  for (const std::string& key : file.keys()) {
    const bool has_answer = file.string(key).ok() || file.number(key).ok() ||
                            file.boolean(key).ok() || file.array_length(key).ok() ||
                            file.boolean(key).code() == Code::kCorrupt;
    EXPECT_TRUE(has_answer) << key;
    if (const auto strings = file.strings(key); strings.ok()) {
      EXPECT_LE(strings->size(), file.file_bytes());
    }
    if (const auto integers = file.integers(key); integers.ok()) {
      EXPECT_TRUE(file.numbers(key).ok());
    }
  }
}

/// Reads everything; true when the file opened.
bool read_fully(const std::filesystem::path& path) {
  const auto source = open_weights(path);
  if (!source.ok()) {
    EXPECT_FALSE(source.status().message().empty());
    return false;
  }
  const auto file_bytes = std::filesystem::file_size(path);
  std::vector<float> values;
  for (const TensorInfo& info : source->tensors()) {
    EXPECT_LE(source->raw_bytes(info.name)->size(), file_bytes);
    if (!is_readable_as_float32(info.type)) continue;
    values.resize(static_cast<std::size_t>(info.num_elements));
    EXPECT_TRUE(source->read_float32(info.name, values).ok()) << info.name;
  }
  if (source->gguf() != nullptr) ask_all_metadata(*source->gguf());
  return true;
}

class Damaged : public testing::TestWithParam<std::string> {};

TEST_P(Damaged, FilesAreRefusedOrReadButNeverCrash) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  RecordProperty("seed", static_cast<int>(kSeed));
  const std::string whole = bytes_of(golden(GetParam()));
  const ScratchFolder scratch;
  Rng rng(kSeed);
  int num_opened = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    num_opened += read_fully(scratch.write(GetParam(), damaged(whole, rng))) ? 1 : 0;
  }
  // Both happen: flips in values still open, flips in lengths do not.
  EXPECT_GT(num_opened, kRounds / 100);
  EXPECT_LT(num_opened, kRounds);
}

INSTANTIATE_TEST_SUITE_P(Either, Damaged,
                         testing::Values("every_type.gguf", "every_type.safetensors"),
                         [](const auto& info) { return info.index == 0 ? "Gguf" : "Safetensors"; });

}  // namespace
}  // namespace panal::weights
