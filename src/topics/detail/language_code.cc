#include "topics/detail/language_code.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace panal::topics::detail {
namespace {

// A sign of a language: `text` at the start of a line (after indentation) or anywhere in it.
struct Sign {
  std::string_view language;
  std::string_view text;
  bool is_at_start;
  double weight;
};

constexpr Sign kSigns[] = {
    {"code:python", "def ", true, 3},
    {"code:python", "import ", true, 1},
    {"code:python", "from ", true, 0.5},
    {"code:python", "elif ", true, 3},
    {"code:python", "except", true, 2},
    {"code:python", "self.", false, 2},
    {"code:python", " None", false, 1},
    {"code:python", "raise ", true, 2},
    {"code:python", "\"\"\"", false, 2},
    {"code:python", "__", false, 0.7},
    {"code:python", ">>> ", true, 2},
    {"code:python", "class ", true, 0.7},
    {"code:python", "@", true, 0.5},
    {"code:python", " is not ", false, 0.3},
    {"code:python", "print(", false, 1},
    {"code:python", "with ", true, 0.4},
    {"code:python", "try:", true, 2},
    {"code:python", "# ", true, 0.4},
    {"code:c", "#include", true, 4},
    {"code:c", "#define", true, 4},
    {"code:c", "#if", true, 2},
    {"code:c", "#endif", true, 3},
    {"code:c", "->", false, 0.7},
    {"code:c", "typedef ", true, 3},
    {"code:c", "struct ", true, 1},
    {"code:c", "static ", true, 1},
    {"code:c", "int ", true, 1.5},
    {"code:c", "void ", true, 1.5},
    {"code:c", "char *", false, 2},
    {"code:c", "const char", false, 1.5},
    {"code:c", "sizeof(", false, 2},
    {"code:c", "/*", false, 0.5},
    {"code:c", "NULL", false, 1},
    {"code:cpp", "std::", false, 4},
    {"code:cpp", "namespace ", true, 3},
    {"code:cpp", "template <", true, 4},
    {"code:cpp", "template<", true, 4},
    {"code:cpp", "auto ", true, 1.5},
    {"code:cpp", "public:", true, 3},
    {"code:cpp", "private:", true, 3},
    {"code:cpp", "#include <", true, 1},
    {"code:cpp", "const ", true, 1},
    {"code:cpp", "::", false, 0.7},
    {"code:java", "public class ", true, 5},
    {"code:java", "import java", true, 5},
    {"code:java", "@Override", true, 4},
    {"code:java", "public static", true, 3},
    {"code:java", "private ", true, 1.5},
    {"code:java", "System.out", false, 4},
    {"code:java", "package ", true, 1},
    {"code:java", "public ", true, 1.2},
    {"code:java", "throws ", false, 1},
    {"code:javascript", "function ", true, 2},
    {"code:javascript", "const ", true, 1.5},
    {"code:javascript", "let ", true, 1.5},
    {"code:javascript", "var ", true, 1.5},
    {"code:javascript", "=> ", false, 2},
    {"code:javascript", "===", false, 3},
    {"code:javascript", "console.", false, 3},
    {"code:javascript", "export ", true, 1},
    {"code:javascript", "require(", false, 2},
    {"code:javascript", "document.", false, 1},
    {"code:rust", "fn ", true, 3},
    {"code:rust", "let mut ", true, 4},
    {"code:rust", "pub fn ", true, 5},
    {"code:rust", "impl ", true, 4},
    {"code:rust", "use ", true, 0.7},
    {"code:rust", "&self", false, 4},
    {"code:rust", "println!", false, 4},
    {"code:rust", "match ", false, 0.7},
    {"code:go", "func ", true, 4},
    {"code:go", ":= ", false, 3},
    {"code:go", "package ", true, 2},
    {"code:go", "if err != nil", true, 5},
    {"code:go", "fmt.", false, 2},
    {"code:shell", "#!/bin/", true, 8},
    {"code:shell", "echo ", true, 2},
    {"code:shell", "fi", true, 0.5},
    {"code:shell", "if [ ", true, 4},
    {"code:shell", "then", true, 0.7},
    {"code:shell", "done", true, 0.7},
    {"code:shell", "esac", true, 3},
    {"code:shell", "export ", true, 0.7},
    {"code:shell", "${", false, 1},
    {"code:shell", "$(", false, 1.5},
    {"code:perl", "my $", true, 4},
    {"code:perl", "use strict", true, 6},
    {"code:perl", "sub ", true, 2},
    {"code:perl", "@_", false, 3},
    {"code:perl", "=~", false, 2},
    {"code:sql", "SELECT ", true, 4},
    {"code:sql", "CREATE TABLE", true, 6},
    {"code:sql", "INSERT INTO", true, 5},
    {"code:sql", "FROM ", true, 1.5},
    {"code:sql", "WHERE ", true, 1.5},
    {"code:html", "<div", false, 3},
    {"code:html", "</", false, 1},
    {"code:html", "<html", false, 6},
    {"code:html", "<p>", false, 1},
    {"code:html", "<!DOCTYPE", true, 6},
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kTitles = {{
    {"code:python", "Python"},
    {"code:c", "C"},
    {"code:cpp", "C++"},
    {"code:java", "Java"},
    {"code:javascript", "JavaScript"},
    {"code:rust", "Rust"},
    {"code:go", "Go"},
    {"code:shell", "Shell"},
    {"code:perl", "Perl"},
    {"code:sql", "SQL"},
    {"code:html", "HTML"},
    {"code:other", "other"},
    {"code", "mixed"},
}};

// Words that open statements; several are English too, so they count only together with
// punctuation.
constexpr std::string_view kOpeners[] = {
    "def ",   "class ",   "import ", "from ",   "return",   "if ",      "elif ",    "else",
    "for ",   "while ",   "try",     "except",  "raise ",   "with ",    "async ",   "await ",
    "yield",  "lambda ",  "assert ", "pass",    "break",    "continue", "global ",  "del ",
    "print",  "const ",   "let ",    "var ",    "function", "public ",  "private ", "static ",
    "void ",  "int ",     "char ",   "double ", "bool ",    "struct ",  "typedef ", "namespace ",
    "using ", "template", "switch",  "case ",   "fn ",      "func ",    "package ", "use ",
    "impl ",  "export ",  "SELECT ", "INSERT ", "CREATE ",  "finally"};

std::string_view trimmed(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// Punctuation of programs; what prose uses too (comma, full stop, quotes, hyphen) is left out.
int count_symbols(std::string_view line) {
  return static_cast<int>(std::ranges::count_if(line, [](char c) {
    return std::string_view("{}[]()=<>_;#/*+&|%$@\\^~").find(c) != std::string_view::npos;
  }));
}

bool has_call_or_member(std::string_view line) {
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  for (std::size_t i = 1; i + 1 < line.size(); ++i) {
    const bool joins = is_name(line[i - 1]) && line[i - 1] > ' ';
    // "name(" without a space, "name.name", "name[": prose puts spaces there (except for
    // "word(s)").
    if (line[i] == '(' && joins && line.substr(i, 3) != "(s)") return true;
    if (line[i] == '.' && joins && std::islower(static_cast<unsigned char>(line[i + 1])) != 0)
      return true;
    if (line[i] == '[' && joins) return true;
    if (line[i] == '_' && joins && is_name(line[i + 1])) return true;
  }
  return false;
}

double line_code_score(std::string_view line) {
  if (line.starts_with(">>>") || line.starts_with("#include") || line.starts_with("#define"))
    return 1;
  if (line.starts_with("# ") || line.starts_with("//") || line.starts_with("/*")) return 0.5;
  const bool opens =
      std::ranges::any_of(kOpeners, [&](auto word) { return line.starts_with(word); });
  const char last = line.back();
  const double density =
      static_cast<double>(count_symbols(line)) / static_cast<double>(line.size());
  double score = 0;
  if (opens && (last == ':' || last == '{' || last == ';' || density > 0.02)) score += 0.6;
  if (opens && line.size() < 40 && last != '.' && last != ',') score += 0.3;
  if (last == ';' || last == '{' || last == '}' || last == '(' || last == '[' || last == '\\')
    score += 0.4;
  if ((last == ')' || last == ']' || last == ',') && density > 0.05) score += 0.3;
  if (line.find(" = ") != std::string_view::npos || line.find(" == ") != std::string_view::npos)
    score += 0.4;
  if (has_call_or_member(line)) score += 0.4;
  if (density > 0.10) score += 0.4;
  return score >= 0.6 ? 1 : score >= 0.4 ? 0.5 : 0;
}

}  // namespace

CodeGuess guess_code(std::string_view text) {
  std::array<double, kTitles.size()> weights{};
  double code = 0;
  double num_bytes = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    // A line weighs by its length up to 60 bytes: closing brackets are code, but poor evidence.
    const double weight = static_cast<double>(std::min<std::size_t>(line.size(), 60)) + 8;
    num_bytes += weight;
    const double score = line_code_score(line);
    code += score * weight;
    if (score == 0) continue;
    for (const Sign& sign : kSigns) {
      const bool found = sign.is_at_start ? line.starts_with(sign.text)
                                          : line.find(sign.text) != std::string_view::npos;
      if (!found) continue;
      const auto title =
          std::ranges::find(kTitles, sign.language, [](const auto& t) { return t.first; });
      weights[static_cast<std::size_t>(title - kTitles.begin())] += sign.weight;
    }
  }
  const auto best = std::ranges::max_element(weights);
  CodeGuess guess;
  guess.share = num_bytes > 0 ? code / num_bytes : 0;
  guess.language =
      *best >= 1 ? kTitles[static_cast<std::size_t>(best - weights.begin())].first : "code:other";
  return guess;
}

std::string_view code_language_title(std::string_view language) {
  const auto title = std::ranges::find(kTitles, language, [](const auto& t) { return t.first; });
  return title == kTitles.end() ? std::string_view() : title->second;
}

}  // namespace panal::topics::detail
