#include "data/document.h"
#include "base/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/store/temporary_folder.h"

namespace panal::data {
namespace {

namespace fs = std::filesystem;
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

class ReadDocuments : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
};

TEST_F(ReadDocuments, TakesAFolderInOrderAndNamesWhatItSkipped) {
  test::write_plain(folder_.path() / "b/two.md", "segundo\r\n");
  test::write_plain(folder_.path() / "a/one.txt", "primero");
  test::write_plain(folder_.path() / "c.png", std::string_view("\x89PNG\0", 5));
  test::write_plain(folder_.path() / "d.txt", "");
  test::write_plain(folder_.path() / ".git/hidden.txt", "hidden");
  const auto report = read_documents(folder_.path());
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->documents.size(), 2U);
  EXPECT_EQ(report->documents[0].text, "primero");
  EXPECT_EQ(report->documents[1].text, "segundo\n");
  EXPECT_EQ(report->num_files, 2);
  ASSERT_EQ(report->skipped.size(), 2U);
  EXPECT_THAT(report->skipped[0].reason, HasSubstr("NUL byte at offset 4"));
  EXPECT_THAT(report->skipped[1].reason, HasSubstr("no text"));
  EXPECT_THAT(report->summary(), HasSubstr("2 files, 2 passages, 15 bytes; skipped 2: "));
}

TEST_F(ReadDocuments, ReadsAFileOnceHoweverManyLinksNameIt) {
  test::write_plain(folder_.path() / "GPL-3", "licence text");
  fs::create_symlink("GPL-3", folder_.path() / "GPL");
  fs::create_directory_symlink(folder_.path(), folder_.path() / "loop");
  fs::create_symlink("nowhere", folder_.path() / "broken");
  EXPECT_EQ(read_documents(folder_.path()).value().documents.size(), 1U);
  EXPECT_EQ(read_documents({folder_.path(), folder_.path() / "GPL"}).value().documents.size(), 1U);
}

TEST_F(ReadDocuments, ReadsJsonLinesWithTheirSources) {
  test::write_plain(folder_.path() / "x.jsonl",
                    "{\"text\":\"uno\"}\n\n{\"text\":\"dos\",\"source\":\"web\"}\n");
  const auto report = read_documents(folder_.path() / "x.jsonl").value();
  ASSERT_EQ(report.documents.size(), 2U);
  EXPECT_THAT(report.documents[0].source, HasSubstr("x.jsonl:1"));
  EXPECT_EQ(report.documents[1], (Document{"dos", "web"}));
}

TEST_F(ReadDocuments, RefusesBadLinesWithFileAndLine) {
  for (const char* line : {"not json", "{\"txt\":1}", "{\"text\":7}", "[]",
                           "{\"text\":\"a\\u0000b\"}", "{\"text\":\"x\",\"source\":3}"}) {
    test::write_plain(folder_.path() / "bad.jsonl",
                      std::string("{\"text\":\"fine\"}\n") + line + "\n");
    const auto report = read_documents(folder_.path() / "bad.jsonl");
    EXPECT_EQ(report.code(), Code::kInvalidArgument) << line;
    EXPECT_THAT(report.status().message(), HasSubstr("bad.jsonl, line 2")) << line;
  }
}

TEST_F(ReadDocuments, RefusesMissingEmptyAndBinaryInput) {
  EXPECT_EQ(read_documents(folder_.path() / "missing").code(), Code::kNotFound);
  EXPECT_THAT(read_documents(folder_.path()).status().message(), HasSubstr("found no text"));
  test::write_plain(folder_.path() / "only.bin", std::string(100, '\0'));
  EXPECT_THAT(read_documents(folder_.path()).status().message(), HasSubstr("NUL byte"));
  EXPECT_EQ(read_documents(folder_.path() / "only.bin").code(), Code::kInvalidArgument);
  EXPECT_EQ(read_documents("/dev/null").code(), Code::kInvalidArgument);
  EXPECT_EQ(read_documents(folder_.path(), {.passage_bytes = 7}).code(), Code::kInvalidArgument);
}

TEST_F(ReadDocuments, HoldsItsSizeBounds) {
  test::write_plain(folder_.path() / "big.txt", std::string(5000, 'a'));
  test::write_plain(folder_.path() / "small.txt", "small");
  const auto one = read_documents(folder_.path() / "big.txt", {.max_file_bytes = 1000});
  EXPECT_EQ(one.code(), Code::kResourceExhausted);
  const auto skipping = read_documents(folder_.path(), {.max_file_bytes = 1000}).value();
  EXPECT_EQ(skipping.documents.size(), 1U);
  EXPECT_EQ(skipping.skipped.size(), 1U);
  EXPECT_EQ(read_documents(folder_.path(), {.max_total_bytes = 3000}).code(),
            Code::kResourceExhausted);
  EXPECT_EQ(read_documents(folder_.path(), {.max_files = 1}).code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace panal::data
