#include "data/document.h"
#include "base/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace panal::data {
namespace {

using testing::HasSubstr;

TEST(NormaliseText, DropsTheByteOrderMarkAndEveryCarriageReturn) {
  EXPECT_EQ(normalise_text("\xEF\xBB\xBF"
                           "uno\r\ndos\rtres\n\r",
                           "x")
                .value(),
            "uno\ndos\ntres\n\n");
}

TEST(NormaliseText, NamesFileAndOffsetOfWhatIsNotText) {
  const auto binary = normalise_text(std::string_view("ab\0cd", 5), "photo.png");
  EXPECT_EQ(binary.code(), Code::kInvalidArgument);
  EXPECT_THAT(binary.status().message(),
              HasSubstr("photo.png: expected UTF-8 text, found a NUL byte at offset 2"));
  const auto latin1 = normalise_text(
      "Espa\xF1"
      "a",
      "old.txt");
  EXPECT_THAT(latin1.status().message(),
              HasSubstr("old.txt: expected UTF-8 text, found byte 0xf1 at offset 4"));
}

TEST(GutenbergFrame, IsTakenOffOnlyWhenItsMarksAreThere) {
  const std::string framed =
      "Licence talk\n*** START OF THE PROJECT GUTENBERG EBOOK DON QUIJOTE ***\n\n\nEn un lugar\n"
      "*** END OF THE PROJECT GUTENBERG EBOOK DON QUIJOTE ***\nMore talk\n";
  EXPECT_EQ(without_gutenberg_frame(framed), "En un lugar\n");
  EXPECT_EQ(without_gutenberg_frame("*** START OF A STORY ***\nOnce"),
            "*** START OF A STORY ***\nOnce");
}

// Every piece is within its bounds, is whole characters, and nothing is lost or repeated.
TEST(CutPassages, KeepsEveryByteInBoundedPiecesOfWholeCharacters) {
  Rng rng(3);
  for (int round = 0; round < 50; ++round) {
    std::string text;
    for (int i = 0; i < 3000; ++i) {
      const char* parts[] = {"palabra", " ", "ñandú", ". ", "\n", "\n\n", "漢字", "😀"};
      text += parts[rng.below(8)];
    }
    std::string joined;
    for (const std::string& piece : cut_passages(text, 512)) {
      EXPECT_LE(piece.size(), 640U);
      EXPECT_EQ(first_invalid_utf8(piece), std::string_view::npos);
      joined += piece;
    }
    EXPECT_EQ(joined, text);
  }
}

TEST(CutPassages, PrefersTheEndOfAParagraph) {
  const std::string paragraph(300, 'a');
  const auto pieces = cut_passages(paragraph + "\n\n" + paragraph + "\n\n" + paragraph, 400);
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[0], paragraph + "\n\n");
}

TEST(CutPassages, CutsTextWithoutAnySpaces) {
  const auto pieces = cut_passages(std::string(10'000, 'x'), 1000);
  EXPECT_EQ(pieces.size(), 10U);
}

}  // namespace
}  // namespace panal::data
