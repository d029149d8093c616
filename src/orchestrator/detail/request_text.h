// A request as text: words that can be compared in two languages, and the places (quotes, code)
// that no rule may cut.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace panal::orchestrator::detail {

/// Lower case, and without the accents of Spanish: "Tradúceme" -> "traduceme".
std::string fold(std::string_view text);
/// The folded words of a text: letters, digits, apostrophes and any byte over 127.
std::vector<std::string> words_of(std::string_view text);
std::string_view trim(std::string_view text);
/// At most `max_bytes` on one line, cut at a character's end, "..." added when cut.
std::string excerpt(std::string_view text, std::size_t max_bytes);

enum class SpanKind { kFence, kQuote, kInlineCode };
struct ProtectedSpan {
  std::size_t begin = 0;
  std::size_t end = 0;  // One after the last byte, delimiters included.
  SpanKind kind = SpanKind::kQuote;
};
/// Code fences (an open one reaches to the end), `inline code` and quotes ("", “”, «») that close
/// in their paragraph, in order, not nested.
std::vector<ProtectedSpan> protected_spans(std::string_view text);

/// Share of the words two texts have in common: |A and B| / |A or B| over sets of folded words. 1
/// for two empty texts.
double word_overlap(std::string_view a, std::string_view b);

}  // namespace panal::orchestrator::detail
