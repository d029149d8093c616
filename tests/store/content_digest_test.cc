#include "store/content_digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <array>
#include <filesystem>
#include <vector>

#include "tests/store/temporary_folder.h"

namespace panal::store {
namespace {

namespace fs = std::filesystem;

using test::TemporaryFolder;
using ::testing::HasSubstr;

fs::path write_plain(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  return test::write_plain(path, bytes);
}

Result<std::string> digest(const std::vector<fs::path>& paths) { return content_digest(paths); }

TEST(ContentDigest, NamesAndPlacesDoNotCount) {
  const TemporaryFolder folder;
  const auto one = write_plain(folder / "one.txt", "the same");
  const auto other = write_plain(folder / "deep/other", "the same");
  const std::string name = digest({one}).value();
  EXPECT_EQ(name.size(), 32u);
  EXPECT_EQ(digest({other}).value(), name);
  EXPECT_EQ(digest({folder / "deep"}).value(), name);
  fs::create_symlink(one, folder / "link");
  EXPECT_EQ(digest({folder / "link"}).value(), name);
  EXPECT_EQ(digest({one, folder / "link"}).value(), name) << "reached twice, read once";
}

// What a fast look would miss: the size and the time of the file are what they were.
TEST(ContentDigest, EveryByteCounts) {
  const TemporaryFolder folder;
  const std::string text(3 << 20, 'a');
  const auto path = write_plain(folder / "text", text);
  const auto time = fs::last_write_time(path);
  const std::string before = digest({path}).value();
  for (const std::size_t at : {std::size_t{0}, text.size() / 2, text.size() - 1}) {
    std::string changed = text;
    changed[at] = 'b';
    write_plain(path, changed);
    fs::last_write_time(path, time);
    EXPECT_NE(digest({path}).value(), before) << at;
  }
  write_plain(path, text);
  EXPECT_EQ(digest({path}).value(), before);
}

TEST(ContentDigest, WhereOneFileEndsAndTheNextBeginsCounts) {
  const TemporaryFolder folder;
  const auto a = write_plain(folder / "a", "xy"), b = write_plain(folder / "b", "z");
  const auto c = write_plain(folder / "c", "x"), d = write_plain(folder / "d", "yz");
  EXPECT_NE(digest({a, b}).value(), digest({c, d}).value());
  EXPECT_NE(digest({a, b}).value(), digest({b, a}).value());
  EXPECT_NE(digest({}).value(), digest({write_plain(folder / "empty", "")}).value());
}

TEST(ContentDigest, HiddenEntriesOfAFolderDoNotCount) {
  const TemporaryFolder folder;
  write_plain(folder / "texts/a", "x");
  const std::string before = digest({folder / "texts"}).value();
  write_plain(folder / "texts/.hidden", "y");
  EXPECT_EQ(digest({folder / "texts"}).value(), before);
  write_plain(folder / "texts/b", "y");
  EXPECT_NE(digest({folder / "texts"}).value(), before);
}

TEST(ContentDigest, OfAModelOnlyItsOwnFilesCountAndTheirNames) {
  const TemporaryFolder folder;
  constexpr std::array<std::string_view, 2> kEndings = {".safetensors", ".json"};
  write_plain(folder / "model/config.json", "{}");
  write_plain(folder / "model/README.md", "hello");
  const std::string before = content_digest(folder / "model", kEndings).value();
  write_plain(folder / "model/README.md", "good bye");
  EXPECT_EQ(content_digest(folder / "model", kEndings).value(), before);
  fs::rename(folder / "model/config.json", folder / "model/tokenizer.json");
  EXPECT_NE(content_digest(folder / "model", kEndings).value(), before);
}

TEST(ContentDigest, WhatCannotBeReadAgainIsRefused) {
  const TemporaryFolder folder;
  const Status missing = digest({folder / "nowhere"}).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("nowhere"));
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const Status refused = digest({pipe}).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("found a device, pipe or socket"));
}

}  // namespace
}  // namespace panal::store
