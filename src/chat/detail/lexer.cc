// Cuts a template into text and tokens, with Jinja's rules for white space around tags: "-" strips
// all of it, trim_blocks drops the newline after a block tag, lstrip_blocks the indentation before
// one.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/syntax.h"

namespace panal::chat::detail {
namespace {

using Kind = Token::Kind;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string with_plain_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') continue;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();  // keep_trailing_newline is off.
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag();
      text_before(tag);
      if (tag == source_.size()) break;
      at_ = tag;
      if (source_[tag + 1] == '#') {
        comment();
      } else if (source_[tag + 1] == '{') {
        output();
      } else if (!raw_block()) {
        block();
      }
    }
    add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(Code::kInvalidArgument, fmt::format("chat template, line {}: {}", line_, what));
  }
  void add(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  bool ahead_is(std::string_view text) const {
    return std::string_view(source_).substr(at_, text.size()) == text;
  }
  void move_to(std::size_t to) {
    line_ += int(std::count(source_.begin() + std::ptrdiff_t(at_),
                            source_.begin() + std::ptrdiff_t(to), '\n'));
    at_ = to;
  }

  std::size_t next_tag() const {
    for (std::size_t i = source_.find('{', at_); i < source_.size(); i = source_.find('{', i + 1)) {
      if (i + 1 == source_.size()) break;
      if (source_[i + 1] == '%' || source_[i + 1] == '{' || source_[i + 1] == '#') return i;
    }
    return source_.size();
  }

  void text_before(std::size_t tag) {
    std::size_t end = tag;
    if (tag < source_.size()) {
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      if (sign == '-') {
        while (end > at_ && is_space(source_[end - 1])) --end;
      } else if (sign != '+' && source_[tag + 1] != '{') {
        std::size_t indent = tag;
        while (indent > at_ && is_space(source_[indent - 1]) && source_[indent - 1] != '\n')
          --indent;
        const bool at_line_start = indent > at_ ? source_[indent - 1] == '\n' : starts_line_;
        if (at_line_start) end = indent;
      }
    }
    if (end > at_) add(Kind::kText, source_.substr(at_, end - at_));
    move_to(tag);
  }

  // After a tag's end sign: what trim_blocks or "-" swallow.
  void swallow(bool strips_all, bool trims_newline) {
    std::size_t to = at_;
    if (strips_all) {
      while (to < source_.size() && is_space(source_[to])) ++to;
    } else if (trims_newline && to < source_.size() && source_[to] == '\n') {
      ++to;
    }
    move_to(to);
    starts_line_ = at_ > 0 && source_[at_ - 1] == '\n';
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_ + 2);
    if (end == std::string::npos) fail("a comment {# has no end");
    const char sign = end > at_ + 2 ? source_[end - 1] : '\0';
    move_to(end + 2);
    swallow(sign == '-', sign != '+');
  }

  void output() {
    at_ += 2;
    if (peek() == '-' || peek() == '+') ++at_;
    add(Kind::kOutputBegin, "{{");
    const bool strips = inside("}}");
    add(Kind::kOutputEnd, "}}");
    swallow(strips, false);
  }

  void block() {
    at_ += 2;
    if (peek() == '-' || peek() == '+') ++at_;
    add(Kind::kBlockBegin, "{%");
    const bool strips = inside("%}");
    const bool keeps = at_ >= 3 && source_[at_ - 3] == '+';
    add(Kind::kBlockEnd, "%}");
    swallow(strips, !keeps);
  }

  // The end of "{% word %}" at `from`, or npos when something else stands there.
  std::size_t end_of_bare_block(std::size_t from, std::string_view word,
                                bool& strips_before) const {
    std::size_t i = from + 2;
    strips_before = i < source_.size() && source_[i] == '-';
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    while (i < source_.size() && is_space(source_[i])) ++i;
    if (std::string_view(source_).substr(std::min(i, source_.size()), word.size()) != word) {
      return std::string::npos;
    }
    i += word.size();
    while (i < source_.size() && is_space(source_[i])) ++i;
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    if (std::string_view(source_).substr(std::min(i, source_.size()), 2) != "%}")
      return std::string::npos;
    return i + 2;
  }

  bool raw_block() {
    bool ignored = false;
    const std::size_t begin = end_of_bare_block(at_, "raw", ignored);
    if (begin == std::string::npos) return false;
    const char sign = source_[begin - 3];
    for (std::size_t tag = source_.find("{%", begin); tag != std::string::npos;
         tag = source_.find("{%", tag + 2)) {
      bool strips = false;
      const std::size_t after = end_of_bare_block(tag, "endraw", strips);
      if (after == std::string::npos) continue;
      move_to(begin);
      swallow(sign == '-', sign != '+');
      text_before(std::max(tag, at_));
      const char end_sign = source_[after - 3];
      move_to(after);
      swallow(end_sign == '-', end_sign != '+');
      return true;
    }
    fail("{% raw %} has no {% endraw %}");
  }

  // Tokens up to the closing sign; true when it strips the white space after it.
  bool inside(std::string_view closing) {
    std::string brackets;
    while (true) {
      while (at_ < source_.size() && is_space(source_[at_])) move_to(at_ + 1);
      if (at_ >= source_.size()) fail(fmt::format("a tag is not closed by {}", closing));
      if (brackets.empty()) {
        const bool has_sign = peek() == '-' || (peek() == '+' && closing == "%}");
        if (has_sign && std::string_view(source_).substr(at_ + 1, 2) == closing) {
          const bool strips = peek() == '-';
          at_ += 3;
          return strips;
        }
        if (ahead_is(closing)) {
          at_ += 2;
          return false;
        }
      }
      token(brackets);
    }
  }

  void token(std::string& brackets) {
    const char c = peek();
    if (starts_name(c)) {
      name();
    } else if (is_digit(c)) {
      number();
    } else if (c == '"' || c == '\'') {
      string(c);
    } else {
      operator_sign(brackets);
    }
  }

  void name() {
    std::size_t end = at_;
    while (end < source_.size() && (starts_name(source_[end]) || is_digit(source_[end]))) ++end;
    add(Kind::kName, source_.substr(at_, end - at_));
    at_ = end;
  }

  // The end of 0x1F, 0o17 or 0b11 at `at_`, or `at_` when none stands there.
  std::size_t end_of_prefixed_number() const {
    const char mark = char(peek(1) | 0x20);
    if (peek() != '0' || (mark != 'x' && mark != 'o' && mark != 'b')) return at_;
    const std::string_view digits = mark == 'x'   ? "0123456789abcdefABCDEF_"
                                    : mark == 'o' ? "01234567_"
                                                  : "01_";
    const std::size_t end = std::min(source_.find_first_not_of(digits, at_ + 2), source_.size());
    return end > at_ + 2 ? end : at_;
  }

  void number() {
    if (const std::size_t end = end_of_prefixed_number(); end > at_) {
      add_number(Kind::kInteger, end);
      return;
    }
    std::size_t end = at_;
    const auto digits = [&] {
      while (end < source_.size() && (is_digit(source_[end]) || source_[end] == '_')) ++end;
    };
    const auto digit_at = [&](std::size_t i) { return i < source_.size() && is_digit(source_[i]); };
    digits();
    bool is_float = false;
    if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
      is_float = true;
      ++end;
      digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const std::size_t sign =
          end + 1 < source_.size() && (source_[end + 1] == '-' || source_[end + 1] == '+');
      if (digit_at(end + 1 + sign)) {
        is_float = true;
        end += 1 + sign;
        digits();
      }
    }
    add_number(is_float ? Kind::kFloat : Kind::kInteger, end);
  }

  void add_number(Kind kind, std::size_t end) {
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    add(kind, std::move(text));
    at_ = end;
  }

  void string(char quote) {
    std::string value;
    const int line = line_;
    std::size_t i = at_ + 1;
    while (i < source_.size() && source_[i] != quote) {
      if (source_[i] == '\\' && i + 1 < source_.size()) {
        i = escape(i, value);
      } else {
        value += source_[i++];
      }
    }
    if (i >= source_.size()) fail("a string is not closed");
    move_to(i + 1);
    tokens_.push_back({Kind::kString, std::move(value), line});
  }

  // Python's escapes; returns the position after the one at `i`.
  std::size_t escape(std::size_t i, std::string& value) const {
    constexpr std::string_view kNames = "ntr\\'\"abfv";
    constexpr std::string_view kMeanings = "\n\t\r\\'\"\a\b\f\v";
    const char name = source_[i + 1];
    if (const std::size_t known = kNames.find(name); known != std::string_view::npos) {
      value += kMeanings[known];
      return i + 2;
    }
    if (name == '\n') return i + 2;
    if (name >= '0' && name <= '7') {
      std::size_t end = i + 1;
      std::uint32_t code = 0;
      while (end < i + 4 && end < source_.size() && source_[end] >= '0' && source_[end] <= '7')
        code = code * 8 + std::uint32_t(source_[end++] - '0');
      append_utf8(value, char32_t(code));
      return end;
    }
    const std::size_t num_digits = name == 'x' ? 2 : name == 'u' ? 4 : name == 'U' ? 8 : 0;
    if (num_digits == 0) {
      value += '\\';
      return i + 1;
    }
    std::uint32_t code = 0;
    for (std::size_t k = 0; k < num_digits; ++k) {
      const char digit = i + 2 + k < source_.size() ? source_[i + 2 + k] : '\0';
      const std::size_t nibble = std::string_view("0123456789abcdef").find(char(digit | 0x20));
      if (nibble == std::string_view::npos || digit < '0')
        fail("a broken \\x or \\u escape in a string");
      code = (code << 4) | std::uint32_t(nibble & 15);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      fail("an escape that is no character");
    append_utf8(value, char32_t(code));
    return i + 2 + num_digits;
  }

  void operator_sign(std::string& brackets) {
    constexpr std::array<std::string_view, 6> kDouble = {"==", "!=", "<=", ">=", "//", "**"};
    for (const std::string_view sign : kDouble) {
      if (ahead_is(sign)) {
        add(Kind::kOperator, std::string(sign));
        at_ += 2;
        return;
      }
    }
    const char c = peek();
    if (std::string_view("+-*/%~<>=()[]{}.,:|").find(c) == std::string_view::npos) {
      fail(fmt::format("unexpected character \"{}\"",
                       std::string(1, c >= ' ' && c < 127 ? c : '?')));
    }
    if (c == '(' || c == '[' || c == '{') brackets += c;
    if (c == ')' || c == ']' || c == '}') {
      const char opening = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (brackets.empty() || brackets.back() != opening) fail(fmt::format("unexpected \"{}\"", c));
      brackets.pop_back();
    }
    add(Kind::kOperator, std::string(1, c));
    ++at_;
  }

  const std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool starts_line_ = true;  // The text from at_ on starts a line.
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex_template(std::string_view source) { return Lexer(source).run(); }

}  // namespace panal::chat::detail
