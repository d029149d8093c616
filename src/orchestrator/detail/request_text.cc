// UTF-8 is handled by its bytes: only the two-byte letters of Spanish are folded, all others are
// compared as they are.
#include "orchestrator/detail/request_text.h"

#include <algorithm>
#include <set>

namespace panal::orchestrator::detail {
namespace {

/// The plain letter of U+00C0..U+00FF by its second byte, or 0: the letters of Spanish and its
/// neighbours.
char plain_letter(unsigned char second) {
  static constexpr std::string_view kLetters =
      "aaaaaaaceeeeiiii?nooooo?ouuuuy??aaaaaaaceeeeiiii?nooooo?ouuuuy?y";
  const std::size_t index = static_cast<std::size_t>(second) - 0x80;
  const char letter = index < kLetters.size() ? kLetters[index] : '?';
  return letter == '?' ? '\0' : letter;
}

bool is_word_byte(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return value >= 0x80 || (value >= '0' && value <= '9') || (value >= 'a' && value <= 'z') ||
         value == '\'';
}

/// One after the closing mark, or npos when the paragraph ends first.
std::size_t end_of_quote(std::string_view text, std::size_t from, std::string_view closing) {
  text = text.substr(0, text.find("\n\n", from));
  const std::size_t end = text.find(closing, from);
  return end == std::string_view::npos ? end : end + closing.size();
}

}  // namespace

std::string fold(std::string_view text) {
  std::string folded;
  folded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0xC3 && i + 1 < text.size()) {
      if (const char letter = plain_letter(static_cast<unsigned char>(text[i + 1]))) {
        folded.push_back(letter);
        ++i;
        continue;
      }
    }
    // Typographic apostrophe U+2019.
    if (text.substr(i).starts_with("\xE2\x80\x99")) {
      folded.push_back('\'');
      i += 2;
      continue;
    }
    folded.push_back(byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : text[i]);
  }
  return folded;
}

std::vector<std::string> words_of(std::string_view text) {
  // Marks above U+007F that are no letters must not stick to words.
  static constexpr std::string_view kMarks[] = {
      "\xC2\xBF",     "\xC2\xA1",     "\xC2\xAB",     "\xC2\xBB",     "\xE2\x80\x9C",
      "\xE2\x80\x9D", "\xE2\x80\x94", "\xE2\x80\x93", "\xE2\x80\xA6", "\xE2\x80\xA2"};
  const std::string folded = fold(text);
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < folded.size(); ++i) {
    const std::string_view rest = std::string_view(folded).substr(i);
    const auto mark = std::ranges::find_if(kMarks, [&](auto m) { return rest.starts_with(m); });
    if (mark != std::end(kMarks)) {
      end_word();
      i += mark->size() - 1;
    } else if (is_word_byte(folded[i])) {
      word.push_back(folded[i]);
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string excerpt(std::string_view text, std::size_t max_bytes) {
  std::string line;
  for (const char byte : trim(text)) {
    const bool is_blank = byte == '\n' || byte == '\r' || byte == '\t' || byte == ' ';
    if (is_blank && line.ends_with(' ')) continue;
    line.push_back(is_blank ? ' ' : byte);
  }
  if (line.size() <= max_bytes) return line;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  return line.substr(0, end) + "...";
}

std::vector<ProtectedSpan> protected_spans(std::string_view text) {
  struct Marks {
    std::string_view open, close;
    SpanKind kind;
  };
  static constexpr Marks kMarks[] = {{"```", "```", SpanKind::kFence},
                                     {"`", "`", SpanKind::kInlineCode},
                                     {"\"", "\"", SpanKind::kQuote},
                                     {"\xE2\x80\x9C", "\xE2\x80\x9D", SpanKind::kQuote},
                                     {"\xC2\xAB", "\xC2\xBB", SpanKind::kQuote}};
  // Thousands of marks that never close must not be searched for thousands of times.
  std::size_t last_close[std::size(kMarks)];
  for (std::size_t mark = 0; mark < std::size(kMarks); ++mark) {
    const std::size_t last = text.rfind(kMarks[mark].close);
    last_close[mark] = last == std::string_view::npos ? 0 : last;
  }
  std::vector<ProtectedSpan> spans;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const auto marks =
        std::ranges::find_if(kMarks, [&](const Marks& m) { return rest.starts_with(m.open); });
    if (marks == std::end(kMarks)) continue;
    const std::size_t inside = i + marks->open.size();
    if (marks->kind != SpanKind::kFence && inside > last_close[marks - std::begin(kMarks)])
      continue;
    std::size_t end;
    if (marks->kind == SpanKind::kFence) {
      end = text.find(marks->close, inside);
      end = end == std::string_view::npos ? text.size() : end + marks->close.size();
    } else {
      end = end_of_quote(text, inside, marks->close);
      if (end == std::string_view::npos) continue;  // A lone mark protects nothing.
    }
    spans.push_back({.begin = i, .end = end, .kind = marks->kind});
    i = end - 1;
  }
  return spans;
}

double word_overlap(std::string_view a, std::string_view b) {
  const auto words_a = words_of(a);
  const auto words_b = words_of(b);
  const std::set<std::string> set_a(words_a.begin(), words_a.end());
  const std::set<std::string> set_b(words_b.begin(), words_b.end());
  if (set_a.empty() && set_b.empty()) return 1;
  const auto common =
      std::ranges::count_if(set_a, [&](const auto& word) { return set_b.contains(word); });
  return static_cast<double>(common) /
         static_cast<double>(set_a.size() + set_b.size() - static_cast<std::size_t>(common));
}

}  // namespace panal::orchestrator::detail
