// Which language a text is in, programming languages included. Three witnesses are heard: the
// script of its letters, the little words every sentence needs, and the n-gram profiles of
// libexttextcat (Cavnar and Trenkle, "N-Gram-Based Text Categorization", 1994), which alone is
// unreliable on short texts and on code.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::topics {

/// language    "en", "es", ... (BCP 47 primary tag), "code:python", "code:c", ..., or "und" when
/// nothing speaks. confidence  0 to 1. code        0 to 1: how much the lines look like a program.
/// Between 0.1 and 0.4 a text may be a comment or
///             documentation of a program; the partitioner looks at its words again.
struct LanguageGuess {
  std::string language = "und";
  double confidence = 0;
  double code = 0;
  bool operator==(const LanguageGuess&) const = default;
};

/// True for "code:...".
bool is_code_language(std::string_view language);
/// "Spanish" for "es", "Python" for "code:python", the tag itself when it has no name here.
std::string language_title(std::string_view language);
/// True for words that carry grammar rather than a topic in any of the languages known here ("the",
/// "porque").
bool is_stop_word(std::string_view lower_case_word);

/// For questions of a few words: script and little words only, no tables from disk. Thread-safe,
/// microseconds.
LanguageGuess guess_short_text_language(std::string_view text);

/// For documents. Thread-safe: the library's handle, which is not, is behind a mutex; open one
/// detector per thread to work in parallel.
class LanguageDetector {
 public:
  /// Loads the fingerprints (about 10 ms) from PANAL_TEXTCAT_DIR when set, else from where Debian
  /// and others install libexttextcat. Errors: kNotFound naming the folders that were tried.
  static Result<LanguageDetector> open();
  static Result<LanguageDetector> open(const std::filesystem::path& folder);
  ~LanguageDetector();
  LanguageDetector(LanguageDetector&&) noexcept;
  LanguageDetector& operator=(LanguageDetector&&) noexcept;

  /// Looks at up to 8 KB of the text. About 1 ms.
  LanguageGuess detect(std::string_view text) const;

 private:
  struct Library;
  explicit LanguageDetector(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace panal::topics
