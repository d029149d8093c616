#include "data/token_shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/hash.h"
#include "base/rng.h"
#include "tests/store/temporary_folder.h"

namespace panal::data {
namespace {

using Documents = std::vector<std::vector<std::int32_t>>;
using testing::HasSubstr;

class TokenShardTest : public testing::Test {
 protected:
  Status write(const Documents& documents, std::int64_t vocabulary) {
    return write_token_shard(store::posix_file_system(), path_, vocabulary, documents);
  }
  std::string bytes() const {
    std::ifstream input(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(input), {}};
  }

  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "x.tokens";
};

TEST_F(TokenShardTest, GivesBackDocumentsInTwoAndInFourBytes) {
  const Documents documents{{1, 2, 3}, {}, {65'535, 0}};
  for (const std::int64_t vocabulary : {65'536, 65'537, 2'000'000'000}) {
    ASSERT_TRUE(write(documents, vocabulary).ok());
    const TokenShard shard = TokenShard::open(path_).value();
    EXPECT_EQ(shard.vocabulary_size(), vocabulary);
    EXPECT_EQ(shard.num_tokens(), 5);
    ASSERT_EQ(shard.num_documents(), 3);
    for (std::int64_t d = 0; d < 3; ++d) {
      std::vector<std::int32_t> read(
          static_cast<std::size_t>(shard.document_end(d) - shard.document_begin(d)));
      ASSERT_TRUE(shard.read(shard.document_begin(d), read).ok());
      EXPECT_EQ(read, documents[static_cast<std::size_t>(d)]);
    }
    EXPECT_TRUE(shard.verify().ok());
  }
  EXPECT_EQ(bytes().size(), 48U + 3 * 8 + 8 + 5 * 4);
}

TEST_F(TokenShardTest, RefusesToWriteWhatItCouldNotRead) {
  EXPECT_THAT(write({{5, 10}}, 10).message(),
              HasSubstr("token 10 is outside the vocabulary of 10 ids"));
  EXPECT_EQ(write({{-1}}, 10).code(), Code::kInvalidArgument);
  EXPECT_EQ(write({{}, {}}, 10).code(), Code::kInvalidArgument);
  EXPECT_EQ(write({{1}}, 0).code(), Code::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(TokenShardTest, SaysWhatIsWrongWithAForeignOrMissingFile) {
  EXPECT_EQ(TokenShard::open(path_).code(), Code::kNotFound);
  test::write_plain(path_, "");
  EXPECT_THAT(TokenShard::open(path_).status().message(),
              HasSubstr("expected a header of 48 bytes, found a file of 0"));
  test::write_plain(path_, std::string(200, 'x'));
  EXPECT_THAT(TokenShard::open(path_).status().message(), HasSubstr("PANALTOK"));
}

// Cut anywhere, or with any single byte changed, no token of a shard is given out: no model learns
// torn data.
TEST_F(TokenShardTest, NoticesEveryCutAndEveryFlippedByte) {
  ASSERT_TRUE(write({{1, 2, 3}, {4, 5}}, 100).ok());
  const std::string good = bytes();
  for (std::size_t length = 0; length < good.size(); ++length) {
    test::write_plain(path_, good.substr(0, length));
    EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt) << "cut to " << length;
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1, 0x80}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      test::write_plain(path_, bad);
      const auto shard = TokenShard::open(path_);
      std::vector<std::int32_t> read(1, -7);
      const Status status = shard.ok() ? shard->read(4, read) : shard.status();
      EXPECT_EQ(status.code(), Code::kCorrupt) << "byte " << at << " ^ " << flip;
      EXPECT_THAT(status.message(), HasSubstr(path_.string()));
      EXPECT_EQ(read[0], -7);
    }
  }
  test::write_plain(path_, good + "x");
  EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt);
}

// Opening looks at no token; a block is looked at when it is first read, and only that block.
TEST_F(TokenShardTest, ChecksABlockWhenItIsFirstRead) {
  std::vector<std::int32_t> document(100'000);
  for (std::size_t i = 0; i < document.size(); ++i) document[i] = std::int32_t(i % 50'000);
  ASSERT_TRUE(write({document}, 50'000).ok());  // Two bytes a token: four blocks.
  std::string bad = bytes();
  const std::size_t tokens = bad.size() - 2 * document.size();
  bad[tokens + 2 * 40'000] = static_cast<char>(bad[tokens + 2 * 40'000] ^ 1);
  test::write_plain(path_, bad);
  const TokenShard shard = TokenShard::open(path_).value();
  std::vector<std::int32_t> read(32'768);
  EXPECT_TRUE(shard.read(0, read).ok());
  EXPECT_TRUE(std::equal(read.begin(), read.end(), document.begin()));
  EXPECT_TRUE(shard.read(65'536, read).ok());
  EXPECT_EQ(shard.read(1, read).code(), Code::kCorrupt);  // Its last token is in the torn block.
  EXPECT_THAT(shard.verify().message(), HasSubstr("tokens 32768 to 65535"));
}

// The writer of a checksum can lie about the tokens all the same.
TEST_F(TokenShardTest, RefusesATokenOutsideTheVocabulary) {
  ASSERT_TRUE(write({{1, 2, 99}}, 100).ok());
  const std::string good = bytes();
  ASSERT_TRUE(write({{1, 2, 99}}, 200).ok());
  std::string bad = bytes();
  ASSERT_EQ(bad.size(), good.size());
  bad.replace(16, 8, std::string("\x63\0\0\0\0\0\0\0", 8));  // A vocabulary of 99.
  const auto all = std::as_bytes(std::span(bad));
  const std::uint64_t parts[2] = {xxh3_64(all.first(40)), xxh3_64(all.subspan(48, 16))};
  const std::uint64_t checksum = xxh3_64(std::as_bytes(std::span(parts)));
  bad.replace(40, 8, std::string(reinterpret_cast<const char*>(&checksum), 8));
  test::write_plain(path_, bad);
  EXPECT_THAT(TokenShard::open(path_)->verify().message(),
              HasSubstr("token 2 is 99, outside the vocabulary of 99 ids"));
}

TEST_F(TokenShardTest, NeverCrashesOnRandomHeaders) {
  ASSERT_TRUE(write({{1, 2, 3}, {4, 5}}, 100).ok());
  const std::string good = bytes();
  Rng rng(29);
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    // Whole fields become extreme values, where products and sums would overflow.
    const std::size_t field = 16 + 8 * rng.below(3);
    const std::uint64_t values[] = {
        0, 1, ~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{1} << 61, rng()};
    const std::uint64_t value = values[rng.below(6)];
    bad.replace(field, 8, std::string(reinterpret_cast<const char*>(&value), 8));
    if (bad == good) continue;
    test::write_plain(path_, bad);
    EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt);
  }
}

class MaskedShardTest : public TokenShardTest {
 protected:
  const std::vector<TokenDocument> documents_ = {
      {.tokens = {1, 2, 3}, .is_learned = {false, true, true}, .is_end_learned = false},
      {.tokens = {}, .is_end_learned = false},
      {.tokens = {4, 5, 6, 7, 8}}};
  TokenShard written(std::int64_t vocabulary) {
    EXPECT_TRUE(write_token_shard(store::posix_file_system(), path_, vocabulary, documents_).ok());
    return TokenShard::open(path_).value();
  }
};

TEST_F(MaskedShardTest, KeepsWhatIsLearned) {
  for (const std::int64_t vocabulary : {100, 100'000}) {
    const TokenShard shard = written(vocabulary);
    ASSERT_TRUE(shard.has_mask());
    std::vector<std::uint8_t> learned(8);
    ASSERT_TRUE(shard.read_learned(0, learned).ok());
    EXPECT_EQ(learned, (std::vector<std::uint8_t>{0, 1, 1, 1, 1, 1, 1, 1}));
    learned.resize(2);
    ASSERT_TRUE(shard.read_learned(1, learned).ok());
    EXPECT_EQ(learned, (std::vector<std::uint8_t>{1, 1}));
    EXPECT_FALSE(shard.is_end_learned(0).value());
    EXPECT_FALSE(shard.is_end_learned(1).value());
    EXPECT_TRUE(shard.is_end_learned(2).value());
    std::vector<std::int32_t> tokens(8);
    ASSERT_TRUE(shard.read(0, tokens).ok());
    EXPECT_EQ(tokens, (std::vector<std::int32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_TRUE(shard.verify().ok());
  }
}

// A shard of which all is learned is what it always was, byte for byte.
TEST_F(MaskedShardTest, WritesNoMaskWhereEverythingIsLearned) {
  ASSERT_TRUE(write({{1, 2, 3}, {4}}, 100).ok());
  const std::string plain = bytes();
  const std::vector<TokenDocument> whole = {{.tokens = {1, 2, 3}, .is_learned = {true, true, true}},
                                            {.tokens = {4}}};
  ASSERT_TRUE(write_token_shard(store::posix_file_system(), path_, 100, whole).ok());
  EXPECT_EQ(bytes(), plain);
  const TokenShard shard = TokenShard::open(path_).value();
  EXPECT_FALSE(shard.has_mask());
  std::vector<std::uint8_t> learned(4);
  ASSERT_TRUE(shard.read_learned(0, learned).ok());
  EXPECT_EQ(learned, (std::vector<std::uint8_t>{1, 1, 1, 1}));
  EXPECT_TRUE(shard.is_end_learned(1).value());
}

TEST_F(MaskedShardTest, NoticesEveryCutAndEveryFlippedByte) {
  written(100);
  const std::string good = bytes();
  for (std::size_t length = 0; length < good.size(); ++length) {
    test::write_plain(path_, good.substr(0, length));
    EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt) << "cut to " << length;
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    test::write_plain(path_, bad);
    const auto shard = TokenShard::open(path_);
    std::vector<std::uint8_t> learned(1);
    const Status status = shard.ok() ? shard->read_learned(0, learned) : shard.status();
    EXPECT_EQ(status.code(), Code::kCorrupt) << "byte " << at;
  }
}

}  // namespace
}  // namespace panal::data
