#include "topics/text_features.h"

#include "base/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal::topics {
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

}  // namespace
}  // namespace panal::topics
