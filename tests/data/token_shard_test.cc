#include "data/token_shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/rng.h"
#include "tests/data/partition_corpus.h"

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

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path / "x.tokens";
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
      shard.read(shard.document_begin(d), read);
      EXPECT_EQ(read, documents[static_cast<std::size_t>(d)]);
    }
    EXPECT_EQ(shard.token(3), 65'535);
  }
  EXPECT_EQ(bytes().size(), 48U + 3 * 8 + 5 * 4);
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
  write_text(path_, "");
  EXPECT_THAT(TokenShard::open(path_).status().message(),
              HasSubstr("expected a header of 48 bytes, found a file of 0"));
  write_text(path_, std::string(200, 'x'));
  EXPECT_THAT(TokenShard::open(path_).status().message(), HasSubstr("PANALTOK"));
}

// Cut anywhere, or with any single byte changed, a shard is refused: no model learns torn data.
TEST_F(TokenShardTest, NoticesEveryCutAndEveryFlippedByte) {
  ASSERT_TRUE(write({{1, 2, 3}, {4, 5}}, 100).ok());
  const std::string good = bytes();
  for (std::size_t length = 0; length < good.size(); ++length) {
    write_text(path_, good.substr(0, length));
    EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt) << "cut to " << length;
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1, 0x80}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      write_text(path_, bad);
      EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt) << "byte " << at << " ^ " << flip;
    }
  }
  write_text(path_, good + "x");
  EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt);
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
    write_text(path_, bad);
    EXPECT_EQ(TokenShard::open(path_).code(), Code::kCorrupt);
  }
}

}  // namespace
}  // namespace panal::data
