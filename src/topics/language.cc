#include "topics/language.h"

#include <fmt/format.h>
#include <libexttextcat/textcat.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/utf8.h"
#include "topics/detail/language_code.h"
#include "topics/detail/language_words.h"
#include "topics/text_features.h"

namespace panal::topics {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxLanguages = 16;  // Those with words.
constexpr std::size_t kMaxBytesRead = 8192;

struct StopWordTable {
  std::array<std::string_view, kMaxLanguages> languages;
  // Per word the languages that use it, one bit each.
  std::unordered_map<std::string_view, std::uint32_t> users;
};

const StopWordTable& stop_words() {
  static const StopWordTable table = [] {
    StopWordTable made;
    std::size_t index = 0;
    for (const auto& language : detail::language_words()) {
      if (language.words.empty() || index >= kMaxLanguages) continue;
      made.languages[index] = language.language;
      std::string_view rest = language.words;
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        made.users[rest.substr(0, end)] |= 1U << index;
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      ++index;
    }
    return made;
  }();
  return table;
}

// In the first kilobyte: a text without words there has no language.
int count_words(std::string_view text) {
  int num_words = 0;
  for_each_word(text.substr(0, 1024), [&](std::string_view) { ++num_words; });
  return num_words;
}

struct WordEvidence {
  std::string_view best;
  std::string_view second;
  double best_score = 0;  // In words: a word that k languages share counts 1/k for each.
  double second_score = 0;
  int num_words = 0;
};

WordEvidence weigh_words(std::string_view text) {
  const StopWordTable& table = stop_words();
  std::array<double, kMaxLanguages> scores{};
  WordEvidence evidence;
  for_each_word(text, [&](std::string_view word) {
    ++evidence.num_words;
    const auto found = table.users.find(word);
    if (found == table.users.end()) return;
    // A long word that few share says more than "a" or "de".
    const double weight = (word.size() < 3 ? 0.6 : 1.0) / std::popcount(found->second);
    for (std::size_t i = 0; i < kMaxLanguages; ++i) {
      if ((found->second >> i & 1U) != 0) scores[i] += weight;
    }
  });
  for (std::size_t i = 0; i < kMaxLanguages; ++i) {
    if (scores[i] > evidence.best_score) {
      evidence.second = evidence.best;
      evidence.second_score = evidence.best_score;
      evidence.best = table.languages[i];
      evidence.best_score = scores[i];
    } else if (scores[i] > evidence.second_score) {
      evidence.second = table.languages[i];
      evidence.second_score = scores[i];
    }
  }
  return evidence;
}

// The language a script stands for, when it is a script that (nearly) one language uses; ""
// otherwise.
std::string_view language_of_script(int script) {
  switch (script) {
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
      return "ja";
    case USCRIPT_HAN:
      return "zh";
    case USCRIPT_HANGUL:
      return "ko";
    case USCRIPT_HEBREW:
      return "he";
    case USCRIPT_GREEK:
      return "el";
    case USCRIPT_THAI:
      return "th";
    case USCRIPT_GEORGIAN:
      return "ka";
    case USCRIPT_ARMENIAN:
      return "hy";
    case USCRIPT_BENGALI:
      return "bn";
    case USCRIPT_TAMIL:
      return "ta";
    case USCRIPT_TELUGU:
      return "te";
    case USCRIPT_ARABIC:
      return "ar";
    case USCRIPT_DEVANAGARI:
      return "hi";
    default:
      return "";
  }
}

struct ScriptEvidence {
  int script = USCRIPT_LATIN;
  double share = 0;       // Of all letters.
  bool has_kana = false;  // Japanese mixes kana into Han.
  bool has_enye = false;  // Spanish marks: n with tilde, inverted question and exclamation marks.
  bool is_ambiguous = true;  // More languages than one use the script.
};

ScriptEvidence weigh_scripts(std::string_view text) {
  std::map<int, int> counts;
  ScriptEvidence evidence;
  int num_letters = 0;
  for (std::size_t offset = 0; offset < text.size();) {
    const Utf8Step step = next_character(text.substr(offset));
    offset += step.num_bytes;
    const char32_t c = step.character;
    if (c < 0x80) {
      const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      num_letters += is_letter ? 1 : 0;
      counts[USCRIPT_LATIN] += is_letter ? 1 : 0;
      continue;
    }
    evidence.has_enye |= c == U'ñ' || c == U'Ñ' || c == U'¿' || c == U'¡';
    if (u_isalpha(static_cast<UChar32>(c)) == 0) continue;
    UErrorCode error = U_ZERO_ERROR;
    const int script = uscript_getScript(static_cast<UChar32>(c), &error);
    ++num_letters;
    ++counts[script];
    evidence.has_kana |= script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA;
  }
  for (const auto& [script, count] : counts) {
    const double share = static_cast<double>(count) / std::max(num_letters, 1);
    if (share > evidence.share) {
      evidence.script = script;
      evidence.share = share;
    }
  }
  evidence.is_ambiguous = language_of_script(evidence.script).empty();
  return evidence;
}

// What script and little words say together.
LanguageGuess guess_by_script_and_words(std::string_view text) {
  const ScriptEvidence script = weigh_scripts(text);
  if (script.share > 0.3 && !script.is_ambiguous) {
    const std::string_view language = script.has_kana ? "ja" : language_of_script(script.script);
    return {.language = std::string(language), .confidence = script.share};
  }
  WordEvidence words = weigh_words(text);
  if (script.has_enye && words.second == "es" && words.second_score * 1.5 > words.best_score) {
    std::swap(words.best, words.second);
    std::swap(words.best_score, words.second_score);
  }
  if (script.has_enye && words.best_score == 0) return {.language = "es", .confidence = 0.5};
  if (words.best_score == 0 || words.num_words == 0) return {};
  // Coverage: in running text a third to a half of the words are little ones. Margin: how far the
  // next language is.
  const double coverage = std::min(1.0, words.best_score / words.num_words / 0.25);
  const double margin = 1 - words.second_score / words.best_score;
  const double amount = std::min(1.0, words.best_score / 2);
  return {.language = std::string(words.best),
          .confidence = std::min(coverage, amount) * (0.3 + 0.7 * margin)};
}

}  // namespace

bool is_code_language(std::string_view language) { return language.starts_with("code"); }

std::string language_title(std::string_view language) {
  if (is_code_language(language)) {
    const std::string_view title = detail::code_language_title(language);
    return std::string(title.empty() ? language : title);
  }
  for (const auto& known : detail::language_words()) {
    if (known.language == language) return std::string(known.title);
  }
  return language == "und" ? "Undetermined" : std::string(language);
}

bool is_stop_word(std::string_view lower_case_word) {
  return stop_words().users.contains(lower_case_word);
}

LanguageGuess guess_short_text_language(std::string_view text) {
  LanguageGuess guess = guess_by_script_and_words(text.substr(0, kMaxBytesRead));
  guess.code = detail::guess_code(text.substr(0, kMaxBytesRead)).share;
  return guess;
}

struct LanguageDetector::Library {
  /// Owns the handle.
  explicit Library(void* opened) : handle(opened) {}
  ~Library() { textcat_Done(handle); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  Mutex mutex;
  void* const handle PANAL_GUARDED_BY(mutex);
};

LanguageDetector::LanguageDetector(std::unique_ptr<Library> library)
    : library_(std::move(library)) {}
LanguageDetector::~LanguageDetector() = default;
LanguageDetector::LanguageDetector(LanguageDetector&&) noexcept = default;
LanguageDetector& LanguageDetector::operator=(LanguageDetector&&) noexcept = default;

Result<LanguageDetector> LanguageDetector::open() {
  std::vector<fs::path> folders;
  if (const char* set = std::getenv("PANAL_TEXTCAT_DIR"); set != nullptr && *set != '\0') {
    return open(fs::path(set));
  }
  for (const char* folder : {"/usr/share/libexttextcat", "/usr/local/share/libexttextcat",
                             "/opt/homebrew/share/libexttextcat"}) {
    if (fs::exists(fs::path(folder) / "fpdb.conf")) return open(fs::path(folder));
  }
  return Status(
      Code::kNotFound,
      "the language tables of libexttextcat (fpdb.conf) were expected in /usr/share/libexttextcat; "
      "install libexttextcat-data or set PANAL_TEXTCAT_DIR to their folder");
}

Result<LanguageDetector> LanguageDetector::open(const fs::path& folder) {
  const fs::path config = folder / "fpdb.conf";
  std::error_code error;
  if (!fs::is_regular_file(config, error)) {
    return Status(
        Code::kNotFound,
        fmt::format(
            "the language tables of libexttextcat were expected in {}, but fpdb.conf is not "
            "there; install libexttextcat-data or set PANAL_TEXTCAT_DIR",
            folder.string()));
  }
  void* const opened = special_textcat_Init(config.c_str(), (folder.string() + "/").c_str());
  if (opened == nullptr) {
    return Status(
        Code::kCorrupt,
        fmt::format(
            "the language tables in {} cannot be loaded: fpdb.conf names a fingerprint that "
            "is missing or damaged",
            folder.string()));
  }
  return LanguageDetector(std::make_unique<Library>(opened));
}

LanguageGuess LanguageDetector::detect(std::string_view text) const {
  text = text.substr(0, kMaxBytesRead);
  const detail::CodeGuess code = detail::guess_code(text);
  LanguageGuess guess = guess_by_script_and_words(text);
  guess.code = code.share;
  if (code.share >= 0.4) {
    guess.language = code.language;
    guess.confidence = std::min(1.0, code.share + 0.2);
    return guess;
  }
  // Profiles of a few letters fit any language.
  constexpr int kFewWords = 4;
  if (guess.confidence >= 0.5 || count_words(text) < kFewWords) return guess;
  // The little words were few or shared: ask the n-grams. "[es--utf8][ca--utf8]", best first.
  const MutexLock lock(library_->mutex);
  const char* said =
      textcat_Classify(library_->handle, text.data(), std::min<std::size_t>(text.size(), 2048));
  const std::string_view candidates = said == nullptr ? std::string_view() : std::string_view(said);
  if (!candidates.starts_with('[')) return guess;
  const std::string_view first = candidates.substr(1, candidates.find_first_of("-]") - 1);
  const bool supports =
      candidates.find(fmt::format("[{}-", guess.language)) != std::string_view::npos;
  if (guess.language == first || (supports && guess.confidence > 0.15)) {
    guess.confidence = std::max(guess.confidence, 0.6);
  } else if (guess.confidence < 0.3) {
    guess.language = std::string(first);
    guess.confidence = 0.3;
  }
  return guess;
}

}  // namespace panal::topics
