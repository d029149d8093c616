#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/detail/regular_expression.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <array>

namespace panal::tokenizer::detail {
namespace {

constexpr std::size_t kMaxPatternBytes = 16 * 1024;
constexpr std::uint32_t kMatchLimit = 1'000'000;

// White_Space of Unicode; PCRE2's own \s adds U+180E, which stopped being a space in Unicode 6.3.
constexpr std::string_view kSpaces =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{"
    "205f}\\x{3000}";
constexpr std::string_view kWords = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

Status unsupported(std::string_view pattern, std::string_view reason) {
  return Status(Code::kUnsupported, fmt::format("the regular expression \"{}\" cannot be used: {}",
                                                pattern.substr(0, 200), reason));
}

// Rewrites \s \S \w \W; a negated one inside a bracket has no rewriting and is refused.
Result<std::string> translate(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char current = pattern[i];
    if (current == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      const std::string_view set = (escaped == 's' || escaped == 'S') ? kSpaces : kWords;
      if (escaped == 's' || escaped == 'w') {
        out += in_class ? std::string(set) : fmt::format("[{}]", set);
      } else if (escaped == 'S' || escaped == 'W') {
        if (in_class) return unsupported(pattern, "\\S or \\W inside brackets");
        out += fmt::format("[^{}]", set);
      } else if (escaped == 'h' || escaped == 'H') {
        return unsupported(pattern, "\\h means different things in different engines");
      } else {
        out += current;
        out += escaped;
      }
      continue;
    }
    if (in_class &&
        (pattern.substr(i, 2) == "&&" || (current == '[' && pattern.substr(i, 2) != "[:"))) {
      return unsupported(pattern, "sets inside brackets");
    }
    out += current;
    if (current == '[' && !in_class) {
      in_class = true;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += pattern[++i];
    } else if (current == ']' && in_class) {
      in_class = false;
    }
  }
  return out;
}

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeStack {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

std::size_t character_bytes(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (std::uint8_t(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

}  // namespace

struct RegularExpression::Compiled {
  pcre2_code* code = nullptr;
  ~Compiled() { pcre2_code_free(code); }
};

RegularExpression::RegularExpression(std::unique_ptr<Compiled> compiled)
    : compiled_(std::move(compiled)) {}
RegularExpression::RegularExpression(RegularExpression&&) noexcept = default;
RegularExpression& RegularExpression::operator=(RegularExpression&&) noexcept = default;
RegularExpression::~RegularExpression() = default;

Result<RegularExpression> RegularExpression::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) return unsupported(pattern, "it is longer than 16 KiB");
  PANAL_ASSIGN(const std::string translated, translate(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (compiled->code == nullptr) {
    std::array<PCRE2_UCHAR, 200> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    return unsupported(pattern, reinterpret_cast<const char*>(message.data()));
  }
  // Without JIT (an exotic processor, no executable memory) the interpreter gives the same matches,
  // slower.
  (void)pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE);
  return RegularExpression(std::move(compiled));
}

void RegularExpression::for_each_match(
    std::string_view text, const std::function<void(std::size_t, std::size_t)>& found) const {
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(
      pcre2_match_data_create_from_pattern(compiled_->code, nullptr));
  const std::unique_ptr<pcre2_match_context, FreeContext> context(
      pcre2_match_context_create(nullptr));
  const std::unique_ptr<pcre2_jit_stack, FreeStack> stack(
      pcre2_jit_stack_create(32 * 1024, 1024 * 1024, nullptr));
  pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  pcre2_set_match_limit(context.get(), kMatchLimit);
  std::size_t at = 0;
  while (at < text.size()) {
    const int count = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), at, PCRE2_NO_UTF_CHECK, match.get(), context.get());
    if (count < 0) return;  // No match, or the limit: the rest stays as it is.
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
    const std::size_t begin = bounds[0];
    const std::size_t end = bounds[1];
    if (end > begin && begin >= at) {
      found(begin, end);
      at = end;
    } else {
      at = std::max(at, end);
      if (at < text.size()) at += character_bytes(text, at);
    }
  }
}

}  // namespace panal::tokenizer::detail
