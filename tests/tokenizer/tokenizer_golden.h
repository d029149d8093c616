// The texts of tools/goldens/tokenizer.py, made again here: same seeds, same pools, same bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"

namespace panal::tokenizer {

struct CharacterRange {
  char32_t low;
  char32_t high;
};
constexpr std::array<CharacterRange, 41> kRanges = {
    {{0x0, 0x1F},         {0x20, 0x7E},       {0x7F, 0x9F},       {0xA0, 0xFF},
     {0x100, 0x17F},      {0x300, 0x36F},     {0x391, 0x3A1},     {0x3B1, 0x3C9},
     {0x410, 0x44F},      {0x5D0, 0x5EA},     {0x621, 0x63A},     {0x660, 0x669},
     {0x905, 0x939},      {0x966, 0x96F},     {0xE01, 0xE30},     {0x1680, 0x1680},
     {0x180E, 0x180E},    {0x2000, 0x206F},   {0x2070, 0x2071},   {0x2150, 0x218B},
     {0x20A0, 0x20BF},    {0x2190, 0x21FF},   {0x3000, 0x3002},   {0x3041, 0x3096},
     {0x30A1, 0x30FA},    {0x4E00, 0x9FA5},   {0xAC00, 0xD7A3},   {0xE000, 0xE010},
     {0xFB00, 0xFB06},    {0xFE0F, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFF10, 0xFF19},
     {0xFFFD, 0xFFFD},    {0x1D7CE, 0x1D7FF}, {0x1F1E6, 0x1F1FF}, {0x1F300, 0x1F5FF},
     {0x1F600, 0x1F64F},  {0x1F900, 0x1F9FF}, {0x20000, 0x20100}, {0xE0020, 0xE007F},
     {0x10FFFF, 0x10FFFF}}};
constexpr std::array<std::string_view, 49> kSnippets = {
    " ",
    "  ",
    "   ",
    "\012",
    "\015\012",
    "\011",
    "\012\012\012",
    " \012 ",
    "\302\240",
    "\343\200\200",
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    " 's",
    "don't",
    "12345",
    " 2024-01-31",
    "3.14159",
    "1,000,000",
    "\302\275",
    "the",
    " the",
    " The",
    "def f(x):\012    return x\012",
    "a_b-c.d",
    "https://example.org/?q=1&r=%20",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|im_",
    "\360\237\221\250\342\200\215\360\237\221\251\342\200\215\360\237\221\247",
    "\360\237\221\215\360\237\217\275",
    "e\314\201",
    "\303\251",
    "\357\254\201",
    "\304\260",
    "\316\243\317\203\317\202",
    "!!!",
    "...",
    "\342\200\246",
    "{}[]()",
    "\\n",
    "\"",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

class SplitMix {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

 private:
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

inline std::string mixed_text(std::uint64_t seed, int num_parts) {
  SplitMix random(seed);
  std::string text;
  for (int part = 0; part < num_parts; ++part) {
    if (random.below(2) == 0) {
      text += kSnippets[random.below(kSnippets.size())];
      continue;
    }
    const CharacterRange range = kRanges[random.below(kRanges.size())];
    const std::uint64_t count = 1 + random.below(6);
    for (std::uint64_t i = 0; i < count; ++i) {
      append_utf8(text, char32_t(range.low + random.below(range.high - range.low + 1)));
    }
  }
  return text;
}

/// Bytes that are UTF-8 here and there.
inline std::string mixed_bytes(std::uint64_t seed, int num_bytes) {
  constexpr std::array<std::uint8_t, 16> kLeads = {0x00, 0x41, 0x20, 0x80, 0xBF, 0xC0, 0xC3, 0xE0,
                                                   0xE2, 0xED, 0xF0, 0xF4, 0xF5, 0xFF, 0xA0, 0x9F};
  SplitMix random(seed);
  std::string bytes;
  for (int i = 0; i < num_bytes; ++i) {
    const bool takes_lead = random.below(3) != 0;
    bytes += char(takes_lead ? kLeads[random.below(16)] : random.below(256));
  }
  return bytes;
}

inline std::vector<std::string_view> blocks_of(std::string_view data) {
  constexpr std::size_t kBlockBytes = 4096;
  std::vector<std::string_view> blocks;
  while (!data.empty()) {
    const std::size_t line = data.find('\n', std::min(kBlockBytes, data.size()));
    const std::size_t end = line == std::string_view::npos ? data.size() : line + 1;
    blocks.push_back(data.substr(0, end));
    data.remove_prefix(end);
  }
  return blocks;
}

/// SHA-256 over little-endian int32.
inline std::string digest(const std::vector<std::int32_t>& ids) {
  std::string bytes;
  for (const std::int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) bytes += char((std::uint32_t(id) >> shift) & 0xFF);
  }
  return sha256_hex(bytes);
}

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline Json golden(std::string_view name) {
  const auto path = std::filesystem::path(PANAL_TEST_DIR) / "golden" / "tokenizer" / name;
  return Json::parse(file_text(path));
}

inline std::string quijote() {
  return file_text(std::filesystem::path(PANAL_TEST_DIR).parent_path() /
                   "examples/data/quijote-es.txt");
}

}  // namespace panal::tokenizer
