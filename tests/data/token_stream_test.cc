#include "data/token_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "tests/store/temporary_folder.h"

namespace panal::data {
namespace {

using Documents = std::vector<std::vector<std::int32_t>>;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::int32_t> windows_of(TokenStream& stream) {
  std::vector<std::int32_t> windows;
  EXPECT_TRUE(stream.next(windows).ok());
  return windows;
}

class TokenStreamTest : public testing::Test {
 protected:
  TokenShard shard_of(const Documents& documents, std::int64_t vocabulary = 1000) {
    const auto path = folder_.path() / (std::to_string(num_shards_++) + ".tokens");
    EXPECT_TRUE(write_token_shard(store::posix_file_system(), path, vocabulary, documents).ok());
    return TokenShard::open(path).value();
  }
  // Tokens 1, 2, 3, ... in documents of random length.
  Documents counted(int count) {
    Rng rng(31);
    Documents documents;
    for (int token = 1; token <= count;) {
      auto& document = documents.emplace_back();
      for (std::uint64_t i = rng.below(9); i > 0 && token <= count; --i)
        document.push_back(token++);
    }
    return documents;
  }

  test::TemporaryFolder folder_;
  int num_shards_ = 0;
};

TEST(IndexPermutation, HitsEveryIndexOnce) {
  for (const std::uint64_t count : {1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097}) {
    for (const std::uint64_t seed : {1, 2}) {
      const IndexPermutation order(count, seed);
      std::set<std::uint64_t> seen;
      for (std::uint64_t i = 0; i < count; ++i) seen.insert(order(i));
      EXPECT_EQ(seen.size(), count);
      EXPECT_EQ(*seen.rbegin(), count - 1);
    }
  }
}

TEST(IndexPermutation, DependsOnTheSeedAndMixesWell) {
  const IndexPermutation one(1000, 1);
  const IndexPermutation two(1000, 2);
  int num_same = 0;
  double displacement = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    num_same += one(i) == two(i) ? 1 : 0;
    displacement += std::abs(static_cast<double>(one(i)) - static_cast<double>(i));
  }
  EXPECT_LT(num_same, 20);
  // A random permutation moves an element by a third of the length on average.
  EXPECT_NEAR(displacement / 1000, 333, 50);
}

TEST_F(TokenStreamTest, LaysDocumentsEndToEndWithEndOfTextBetween) {
  auto stream = TokenStream::open({shard_of({{1, 2, 3}, {}, {4}}), shard_of({{5, 6}})},
                                  {.context = 4, .end_of_text = 0, .shuffle = false})
                    .value();
  // 1 2 3 0 0 4 0 | 5 6 0
  EXPECT_EQ(stream.num_tokens(), 10);
  EXPECT_EQ(stream.num_windows(), 2);
  EXPECT_THAT(windows_of(stream), ElementsAre(1, 2, 3, 0, 0));
  EXPECT_THAT(windows_of(stream), ElementsAre(0, 4, 0, 5, 6));
  EXPECT_EQ(stream.epoch(), 1);
  EXPECT_THAT(windows_of(stream), ElementsAre(1, 2, 3, 0, 0));
}

// The naive way: all tokens in one array, windows cut from it.
TEST_F(TokenStreamTest, GivesTheWindowsThatANaiveLoopGives) {
  const Documents documents = counted(500);
  std::vector<std::int32_t> flat;
  for (const auto& document : documents) {
    flat.insert(flat.end(), document.begin(), document.end());
    flat.push_back(999);
  }
  const auto middle = documents.begin() + static_cast<std::ptrdiff_t>(documents.size() / 3);
  const auto stream = TokenStream::open({shard_of({documents.begin(), middle}),
                                         shard_of({middle, documents.end()})},
                                        {.context = 7, .end_of_text = 999})
                          .value();
  ASSERT_EQ(stream.num_tokens(), static_cast<std::int64_t>(flat.size()));
  std::vector<std::int32_t> window(8);
  for (std::int64_t w = 0; w < stream.num_windows(); ++w) {
    ASSERT_TRUE(stream.read_window(w, window).ok());
    EXPECT_TRUE(std::equal(window.begin(), window.end(), flat.begin() + w * 7)) << w;
  }
}

TEST_F(TokenStreamTest, VisitsEveryWindowOncePerEpochInAnOrderOfItsOwn) {
  auto stream = TokenStream::open({shard_of(counted(600))}, {.context = 5, .seed = 4}).value();
  std::vector<std::vector<std::vector<std::int32_t>>> epochs(2);
  for (auto& epoch : epochs) {
    for (std::int64_t i = 0; i < stream.num_windows(); ++i) epoch.push_back(windows_of(stream));
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) std::ranges::sort(epoch);
  EXPECT_EQ(epochs[0], epochs[1]);
  EXPECT_EQ(std::ranges::unique(epochs[0]).size(), 0U);
}

// At every point of two epochs, with batches that straddle their border.
TEST_F(TokenStreamTest, ResumesExactlyWhereItStopped) {
  const TokenStreamOptions options{.batch = 3, .context = 10, .end_of_text = 0, .seed = 8};
  const TokenShard shard = shard_of(counted(400));
  auto stream = TokenStream::open({shard}, options).value();
  for (std::int64_t step = 0; step < 2 * stream.num_windows() / 3; ++step) {
    const Json saved = parse_json(to_line(stream.state()), "state").value();
    const auto expected = windows_of(stream);
    auto resumed = TokenStream::open({shard}, options).value();
    ASSERT_TRUE(resumed.restore(saved).ok());
    EXPECT_EQ(windows_of(resumed), expected);
    EXPECT_EQ(resumed.state(), stream.state());
  }
}

TEST_F(TokenStreamTest, RefusesAStateOfOtherDataOrOptionsAndStaysWhereItWas) {
  const TokenShard shard = shard_of(counted(400));
  const TokenStreamOptions options{.context = 10, .seed = 8};
  auto stream = TokenStream::open({shard}, options).value();
  (void)windows_of(stream);
  const Json before = stream.state();
  auto other_data = counted(400);
  other_data[1].push_back(7);
  for (const Json& saved :
       {TokenStream::open({shard}, {.context = 11, .seed = 8})->state(),
        TokenStream::open({shard}, {.context = 10, .seed = 9})->state(),
        TokenStream::open({shard}, {.batch = 2, .context = 10, .seed = 8})->state(),
        TokenStream::open({shard_of(other_data)}, options)->state()}) {
    EXPECT_EQ(stream.restore(saved).code(), Code::kConflict) << saved;
  }
  for (const auto& [key, value] : before.items()) {
    Json missing = before;
    missing.erase(key);
    EXPECT_FALSE(stream.restore(missing).ok()) << key;
  }
  for (const Json& window :
       {Json(-1), Json(1e300), Json(stream.num_windows()), Json("1"), Json(nullptr)}) {
    Json bad = before;
    bad["window"] = window;
    EXPECT_EQ(stream.restore(bad).code(), Code::kInvalidArgument) << window;
  }
  EXPECT_FALSE(stream.restore(Json(5)).ok());
  EXPECT_EQ(stream.state(), before);
}

// The naive way: every token of the laid-out text carries the position where its document began.
TEST_F(TokenStreamTest, PacksWithinDocumentsAsANaiveLoopDoes) {
  const Documents documents = counted(700);
  std::vector<std::int32_t> flat;
  std::vector<std::int64_t> begins;
  for (const auto& document : documents) {
    const auto begin = static_cast<std::int64_t>(flat.size());
    flat.insert(flat.end(), document.begin(), document.end());
    flat.push_back(999);
    begins.resize(flat.size(), begin);
  }
  const auto middle = documents.begin() + static_cast<std::ptrdiff_t>(documents.size() / 2);
  const std::vector<TokenShard> shards{shard_of({documents.begin(), middle}),
                                       shard_of({middle, documents.end()})};
  constexpr std::int64_t kContext = 13, kBatch = 2;
  auto stream = TokenStream::open(shards, {.batch = kBatch,
                                           .context = kContext,
                                           .end_of_text = 999,
                                           .shuffle = false,
                                           .packing = Packing::kWithinDocuments})
                    .value();
  auto across =
      TokenStream::open(
          shards, {.batch = kBatch, .context = kContext, .end_of_text = 999, .shuffle = false})
          .value();
  TokenBatch batch, plain;
  int num_masked = 0;
  for (std::int64_t w = 0; w + kBatch <= stream.num_windows(); w += kBatch) {
    ASSERT_TRUE(stream.next(batch).ok());
    ASSERT_TRUE(across.next(plain).ok());
    EXPECT_EQ(batch.tokens, plain.tokens);
    EXPECT_TRUE(plain.first_keys.empty());
    for (std::int64_t i = 0; i < kBatch * kContext; ++i) {
      const std::int64_t window_begin = (w + i / kContext) * kContext;
      const auto at = static_cast<std::size_t>(window_begin + i % kContext);
      const auto cell = static_cast<std::size_t>(i);
      EXPECT_EQ(batch.tokens[cell], flat[at]);
      EXPECT_EQ(plain.targets[cell], flat[at + 1]);
      EXPECT_EQ(batch.first_keys[cell], std::max<std::int64_t>(0, begins[at] - window_begin));
      // An end-of-text token is a target, but has none.
      const bool ends = flat[at] == 999;
      EXPECT_EQ(batch.targets[cell], ends ? kNoTarget : flat[at + 1]);
      num_masked += ends ? 1 : 0;
    }
  }
  EXPECT_GT(num_masked, 50);
}

// Ordinary text may hold the number of the end-of-text token: documents end where the shard says.
TEST_F(TokenStreamTest, FindsDocumentsByTheShardAndNotByTheEndOfTextToken) {
  auto stream =
      TokenStream::open(
          {shard_of({{1, 0, 2}, {3}})},
          {.context = 5, .end_of_text = 0, .shuffle = false, .packing = Packing::kWithinDocuments})
          .value();
  TokenBatch batch;
  ASSERT_TRUE(stream.next(batch).ok());
  EXPECT_THAT(batch.tokens, ElementsAre(1, 0, 2, 0, 3));
  EXPECT_THAT(batch.targets, ElementsAre(0, 2, 0, kNoTarget, 0));
  EXPECT_THAT(batch.first_keys, ElementsAre(0, 0, 0, 0, 4));
}

// What is not learned is read all the same, and is nobody's target; with it goes the end-of-text
// token of a conversation.
TEST_F(TokenStreamTest, GivesNoTargetWhereNothingIsLearned) {
  const auto path = folder_.path() / "masked.tokens";
  const std::vector<TokenDocument> documents = {
      {.tokens = {1, 2, 3, 4}, .is_learned = {false, false, true, true}, .is_end_learned = false},
      {.tokens = {5, 6}}};
  ASSERT_TRUE(write_token_shard(store::posix_file_system(), path, 50, documents).ok());
  const TokenShard shard = TokenShard::open(path).value();
  TokenBatch batch;
  auto stream =
      TokenStream::open({shard}, {.context = 7, .end_of_text = 0, .shuffle = false}).value();
  EXPECT_TRUE(stream.has_mask());
  ASSERT_TRUE(stream.next(batch).ok());
  EXPECT_THAT(batch.tokens, ElementsAre(1, 2, 3, 4, 0, 5, 6));
  EXPECT_THAT(batch.targets, ElementsAre(kNoTarget, 3, 4, kNoTarget, 5, 6, 0));
  auto apart =
      TokenStream::open(
          {shard},
          {.context = 7, .end_of_text = 0, .shuffle = false, .packing = Packing::kWithinDocuments})
          .value();
  ASSERT_TRUE(apart.next(batch).ok());
  EXPECT_THAT(batch.targets, ElementsAre(kNoTarget, 3, 4, kNoTarget, kNoTarget, 6, 0));
  EXPECT_THAT(batch.first_keys, ElementsAre(0, 0, 0, 0, 0, 5, 5));
}

// A block that is torn is found when it is first read, and the stream stays where it was.
TEST_F(TokenStreamTest, StaysWhereItWasWhenAShardIsTorn) {
  const auto path = folder_.path() / "torn.tokens";
  const Documents documents{std::vector<std::int32_t>(200'000, 7)};
  ASSERT_TRUE(write_token_shard(store::posix_file_system(), path, 1000, documents).ok());
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x7f');
  }
  auto stream = TokenStream::open({TokenShard::open(path).value()},
                                  {.batch = 8, .context = 25'000, .shuffle = false})
                    .value();
  const Json before = stream.state();
  TokenBatch batch;
  const Status status = stream.next(batch);
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr(path.string()));
  EXPECT_THAT(status.message(), HasSubstr("tokens 196608 to 199999"));
  EXPECT_EQ(stream.state(), before);
}

TEST_F(TokenStreamTest, RefusesDataThatCannotFillAWindow) {
  const TokenShard shard = shard_of({{1, 2, 3}});
  EXPECT_THAT(TokenStream::open({shard}, {.context = 4}).status().message(),
              HasSubstr("4 tokens with end-of-text tokens, but a context of 4 needs 5"));
  EXPECT_TRUE(TokenStream::open({shard}, {.context = 3}).ok());
  EXPECT_EQ(TokenStream::open({}, {.context = 3}).code(), Code::kInvalidArgument);
  EXPECT_EQ(TokenStream::open({shard}, {.context = 0}).code(), Code::kInvalidArgument);
  EXPECT_EQ(TokenStream::open({shard}, {.batch = 0, .context = 1}).code(), Code::kInvalidArgument);
  EXPECT_EQ(TokenStream::open({shard}, {.context = 3, .end_of_text = 1000}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(TokenStream::open({shard, shard_of({{1}}, 500)}, {.context = 3}).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::data
