#include "base/utf8.h"

#include <gtest/gtest.h>

namespace panal {
namespace {

// RFC 3629: overlong forms, surrogates, code points over U+10FFFF and cut sequences are not UTF-8.
TEST(FirstInvalidUtf8, AcceptsExactlyWellFormedSequences) {
  constexpr auto kFine = std::string_view::npos;
  EXPECT_EQ(first_invalid_utf8("año 漢 😀 \xF4\x8F\xBF\xBF \xED\x9F\xBF"), kFine);
  for (const char* bad :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82", "\xF0\x9F\x98"}) {
    EXPECT_EQ(first_invalid_utf8(std::string("ab") + bad), 2U) << testing::PrintToString(bad);
  }
}

TEST(Utf8Step, TakesATextApartIntoWhatAppendingPutsTogether) {
  const std::string text = "añ漢😀";
  std::string copy;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = next_character(rest);
    append_utf8(copy, step.character);
    rest.remove_prefix(step.num_bytes);
  }
  EXPECT_EQ(copy, text);
}

// As Python's len() counts.
TEST(CountCharacters, CountsCodePointsAndNotBytes) { EXPECT_EQ(count_characters("é漢🙂a"), 4); }

// As Python's bytes.decode("utf-8", "replace"): one mark for each maximal invalid part.
TEST(ReplaceInvalidUtf8, PutsOneMarkInThePlaceOfEachMaximalInvalidPart) {
  EXPECT_EQ(replace_invalid_utf8("a\xE2\x82z\xFF\xFE"), "a\uFFFDz\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("año"), "año");
}

}  // namespace
}  // namespace panal
