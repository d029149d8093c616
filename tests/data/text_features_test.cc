#include "data/text_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal::data {
namespace {

using testing::ElementsAre;

TEST(Words, AreLowerCaseWithoutPunctuationAndDigits) {
  EXPECT_THAT(words_of("¿Quién ERA Sancho? Ñandú 1605."),
              ElementsAre("quién", "era", "sancho", "ñandú"));
}

TEST(Words, TakeIdentifiersApart) {
  EXPECT_THAT(words_of("parse_date parseDate HTTPServer x2y"),
              ElementsAre("parse", "date", "parse", "date", "httpserver", "x", "y"));
}

TEST(Words, OfScriptsWithoutSpacesArePairsOfCharacters) {
  EXPECT_THAT(words_of("漢字文"), ElementsAre("漢字", "字文"));
}

TEST(Words, SurviveInvalidAndEndlessInput) {
  EXPECT_THAT(words_of("ab\xFF"
                       "cd\xC3"),
              ElementsAre("ab", "cd"));
  for (const std::string& word : words_of(std::string(1000, 'q'))) EXPECT_LE(word.size(), 33U);
  EXPECT_TRUE(words_of("").empty());
}

TEST(CodePoints, RoundTrip) {
  const std::string text = "añ漢😀";
  std::string copy;
  for (std::size_t at = 0; at < text.size();) append_utf8(copy, next_code_point(text, at));
  EXPECT_EQ(copy, text);
}

}  // namespace
}  // namespace panal::data
