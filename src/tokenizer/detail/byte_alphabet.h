// The byte alphabet of GPT-2: byte-level BPE files write each byte as one
// printable character (space as U+0120, newline as U+010A), so that a vocabulary is readable text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace panal::tokenizer::detail {

/// The character that stands for a byte, as UTF-8.
const std::string& alphabet_character(std::uint8_t byte);
std::string to_alphabet(std::string_view bytes);
/// Nothing when a character is outside the alphabet: the text stands for itself then.
std::optional<std::string> from_alphabet(std::string_view text);

}  // namespace panal::tokenizer::detail
