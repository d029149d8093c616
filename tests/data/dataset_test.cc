#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/store/temporary_folder.h"

namespace panal::data {
namespace {

using testing::HasSubstr;

std::vector<Document> numbered(int count) {
  std::vector<Document> documents;
  for (int i = 0; i < count; ++i) {
    documents.push_back(
        {"text \"" + std::to_string(i) + "\"\n\tñ😀", "file" + std::to_string(i % 10)});
  }
  return documents;
}

class Dataset : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "set.jsonl";
};

TEST_F(Dataset, ComesBackAsItWasWritten) {
  const auto documents = numbered(100);
  ASSERT_TRUE(write_dataset(store::posix_file_system(), path_, documents).ok());
  EXPECT_EQ(read_dataset(path_).value(), documents);
}

TEST_F(Dataset, RefusesToWriteNothingOrBrokenText) {
  auto& files = store::posix_file_system();
  EXPECT_EQ(write_dataset(files, path_, {}).code(), Code::kInvalidArgument);
  const std::vector<Document> broken{{"bad \xFF", "x"}};
  EXPECT_EQ(write_dataset(files, path_, broken).code(), Code::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Dataset, RefusesHostileFiles) {
  EXPECT_EQ(read_dataset(path_).code(), Code::kNotFound);
  test::write_plain(path_, "");
  EXPECT_THAT(read_dataset(path_).status().message(), HasSubstr("is empty"));
  test::write_plain(path_, "{\"text\":\"a\"}\n{\"text\":");
  EXPECT_THAT(read_dataset(path_).status().message(), HasSubstr("line 2"));
  test::write_plain(path_, "{\"text\":\"" + std::string(5000, 'a') + "\"}");
  auto reader = DatasetReader::open(path_, 100).value();
  EXPECT_EQ(reader.next().code(), Code::kResourceExhausted);
  EXPECT_EQ(read_dataset(path_, 1000).code(), Code::kResourceExhausted);
}

TEST(DatasetSha256, ChangesWithTextSourceOrderAndBoundary) {
  const std::vector<std::vector<Document>> different{{{"ab", "c"}},
                                                     {{"a", "bc"}},
                                                     {{"ab", "d"}},
                                                     {{"ab", "c"}, {"x", "y"}},
                                                     {{"x", "y"}, {"ab", "c"}}};
  std::set<std::string> seen;
  for (const auto& documents : different) seen.insert(dataset_sha256(documents));
  EXPECT_EQ(seen.size(), different.size());
}

TEST(SplitDocuments, TakesAboutTheFractionAndCoversEverything) {
  const auto documents = numbered(4000);
  const Split split = split_documents(documents, {.validation_fraction = 0.1}).value();
  EXPECT_EQ(split.training.size() + split.validation.size(), 4000U);
  // Binomial with p = 0.1: 400 expected, standard deviation 19; five of them either way.
  EXPECT_NEAR(static_cast<double>(split.validation.size()), 400, 95);
}

// A document stays on its side when others are added: validation text never leaks into a later
// training set.
TEST(SplitDocuments, DecidesEachDocumentByItself) {
  auto documents = numbered(1000);
  const Split before = split_documents(documents, {.validation_fraction = 0.2}).value();
  documents.resize(500);
  const Split after = split_documents(documents, {.validation_fraction = 0.2}).value();
  std::vector<std::size_t> expected;
  for (const std::size_t i : before.validation) {
    if (i < 500) expected.push_back(i);
  }
  EXPECT_EQ(after.validation, expected);
  const Split salted =
      split_documents(documents, {.validation_fraction = 0.2, .salt = "other"}).value();
  EXPECT_NE(salted.validation, after.validation);
}

TEST(SplitDocuments, KeepsASourceTogetherWhenAskedTo) {
  const auto documents = numbered(500);
  const Split split =
      split_documents(documents, {.validation_fraction = 0.3, .by = SplitBy::kSource}).value();
  std::set<std::string> training;
  for (const std::size_t i : split.training) training.insert(documents[i].source);
  ASSERT_FALSE(split.validation.empty());
  for (const std::size_t i : split.validation) EXPECT_FALSE(training.contains(documents[i].source));
}

TEST(SplitDocuments, GivesBothSidesSomethingWhenItCan) {
  for (int count = 2; count < 30; ++count) {
    const Split split = split_documents(numbered(count), {.validation_fraction = 0.01}).value();
    EXPECT_FALSE(split.validation.empty()) << count;
    EXPECT_FALSE(split.training.empty()) << count;
  }
  EXPECT_TRUE(split_documents(numbered(9), {.validation_fraction = 0}).value().validation.empty());
  EXPECT_EQ(split_documents(numbered(9), {.validation_fraction = 0.6}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(split_documents({}, {}).code(), Code::kInvalidArgument);
}

// A text of one passage can be learnt from, whatever its hash.
TEST(Split, LeavesASingleDocumentForTraining) {
  for (int i = 0; i < 200; ++i) {
    const std::vector<Document> documents = {{"text " + std::to_string(i), "a.txt"}};
    const auto split = split_documents(documents, {.validation_fraction = 0.5});
    ASSERT_TRUE(split.ok());
    EXPECT_EQ(split->training.size(), 1u) << i;
    EXPECT_TRUE(split->validation.empty()) << i;
  }
}

}  // namespace
}  // namespace panal::data
