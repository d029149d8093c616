#include "base/utf8.h"

#include <algorithm>
#include <cstring>

namespace panal {
namespace {

struct Lead {
  std::uint32_t num_bytes;  // 0: no character starts with this byte.
  std::uint8_t second_low;
  std::uint8_t second_high;
  std::uint8_t payload;
};

// Table 3-7 of the Unicode standard: which second bytes may follow which first byte.
Lead lead_of(std::uint8_t byte) {
  if (byte < 0xC2) return {0, 0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF, std::uint8_t(byte & 0x1F)};
  if (byte < 0xF0) {
    const std::uint8_t low = byte == 0xE0 ? 0xA0 : 0x80;
    const std::uint8_t high = byte == 0xED ? 0x9F : 0xBF;
    return {3, low, high, std::uint8_t(byte & 0x0F)};
  }
  if (byte < 0xF5) {
    const std::uint8_t low = byte == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = byte == 0xF4 ? 0x8F : 0xBF;
    return {4, low, high, std::uint8_t(byte & 0x07)};
  }
  return {0, 0, 0, 0};
}

std::size_t ascii_prefix(std::string_view text) {
  std::size_t at = 0;
  std::uint64_t block;
  while (at + sizeof(block) <= text.size()) {
    std::memcpy(&block, text.data() + at, sizeof(block));
    if (block & 0x8080808080808080ULL) break;
    at += sizeof(block);
  }
  while (at < text.size() && std::uint8_t(text[at]) < 0x80) ++at;
  return at;
}

// Where the first invalid part starts; the size of the text when there is none.
std::size_t valid_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    at += ascii_prefix(text.substr(at));
    if (at == text.size()) break;
    const Utf8Step step = next_character(text.substr(at));
    if (!step.is_valid) break;
    at += step.num_bytes;
  }
  return at;
}

}  // namespace

Utf8Step next_character(std::string_view text) {
  if (text.empty()) return {};
  const auto first = std::uint8_t(text[0]);
  if (first < 0x80) return {first, 1, true, false};
  const Lead lead = lead_of(first);
  if (lead.num_bytes == 0) return {0xFFFD, 1, false, false};
  char32_t character = lead.payload;
  for (std::uint32_t i = 1; i < lead.num_bytes; ++i) {
    if (i == text.size()) return {0xFFFD, i, false, true};
    const auto byte = std::uint8_t(text[i]);
    const std::uint8_t low = i == 1 ? lead.second_low : 0x80;
    const std::uint8_t high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) return {0xFFFD, i, false, false};
    character = (character << 6) | (byte & 0x3F);
  }
  return {character, lead.num_bytes, true, false};
}

bool is_valid_utf8(std::string_view text) { return valid_prefix(text) == text.size(); }

std::size_t first_invalid_utf8(std::string_view text) {
  const std::size_t at = valid_prefix(text);
  return at == text.size() ? std::string_view::npos : at;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t num_valid = valid_prefix(text);
    out.append(text.substr(0, num_valid));
    text.remove_prefix(num_valid);
    if (text.empty()) break;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(next_character(text).num_bytes);
  }
  return out;
}

void append_utf8(std::string& out, char32_t character) {
  if (character < 0x80) {
    out += char(character);
  } else if (character < 0x800) {
    out += char(0xC0 | (character >> 6));
    out += char(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    out += char(0xE0 | (character >> 12));
    out += char(0x80 | ((character >> 6) & 0x3F));
    out += char(0x80 | (character & 0x3F));
  } else {
    out += char(0xF0 | (character >> 18));
    out += char(0x80 | ((character >> 12) & 0x3F));
    out += char(0x80 | ((character >> 6) & 0x3F));
    out += char(0x80 | (character & 0x3F));
  }
}

std::int64_t count_characters(std::string_view text) {
  return std::ranges::count_if(text, [](char byte) { return (std::uint8_t(byte) & 0xC0) != 0x80; });
}

}  // namespace panal
