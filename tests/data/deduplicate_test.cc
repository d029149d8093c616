// Duplicates: all pairs with sets of strings are the oracle.
#include "data/deduplicate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "base/rng.h"
#include "data/detail/shingles.h"

namespace panal::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Document> documents_of(const std::vector<std::string>& texts) {
  std::vector<Document> documents;
  for (const auto& text : texts) {
    documents.push_back({.text = text, .source = "d" + std::to_string(documents.size())});
  }
  return documents;
}

// ASCII only, by the definition in the header and nothing else.
std::set<std::string> naive_shingles(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      words.back() += static_cast<char>(std::tolower(c));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  std::set<std::string> shingles;
  const std::size_t width = std::min<std::size_t>(5, words.size());
  for (std::size_t i = 0; width > 0 && i + width <= words.size(); ++i) {
    std::string shingle;
    for (std::size_t j = 0; j < width; ++j) shingle += words[i + j] + " ";
    shingles.insert(shingle);
  }
  return shingles;
}

double naive_similarity(const std::vector<int>& a, const std::vector<int>& b) {
  // By pointers: tests are not optimised, and all pairs are many.
  const int *x = a.data(), *y = b.data(), *const x_end = x + a.size(), *const y_end = y + b.size();
  std::size_t shared = 0;
  while (x != x_end && y != y_end) {
    if (*x == *y) ++shared;
    const bool x_goes_on = *x <= *y, y_goes_on = *y <= *x;
    x += x_goes_on;
    y += y_goes_on;
  }
  const std::size_t all = a.size() + b.size() - shared;
  return all == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(all);
}

// Texts of random words, and after them copies with a few words changed: similarities from nearly 1
// down to nearly 0.
std::vector<Document> with_near_copies(std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::string> texts;
  const auto word = [&] { return "w" + std::to_string(rng.below(3000)); };
  for (int i = 0; i < 150; ++i) {
    std::vector<std::string> words(20 + rng.below(300));
    for (auto& each : words) each = word();
    for (int copy = 0; copy < 4; ++copy) {
      std::string text;
      const double rate = copy == 0 ? 0.0 : 0.12 * rng.uniform();
      for (const auto& each : words) {
        text += (rng.uniform() < rate ? word() : each) + (rng.below(9) == 0 ? ", " : " ");
      }
      texts.push_back(std::move(text));
    }
  }
  for (std::size_t i = texts.size(); i > 1; --i) std::swap(texts[i - 1], texts[rng.below(i)]);
  return documents_of(texts);
}

TEST(Deduplicate, FindsNearCopiesAsAllPairsDo) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto documents = with_near_copies(seed);
    std::map<std::string, int> numbers;  // Of all shingles, so that all pairs take seconds.
    std::vector<std::vector<int>> shingles;
    for (const auto& document : documents) {
      auto& set = shingles.emplace_back();
      for (const auto& shingle : naive_shingles(document.text)) {
        set.push_back(numbers.emplace(shingle, static_cast<int>(numbers.size())).first->second);
      }
      std::ranges::sort(set);
    }
    for (const double threshold : {0.6, 0.8, 0.9}) {
      const auto report = deduplicate(documents, {.threshold = threshold}).value();
      // Precision is 1: what goes is as similar to one that stays as the report says.
      for (const Duplicate& gone : report.removed) {
        EXPECT_LT(gone.of, gone.index);
        EXPECT_GE(gone.similarity, threshold);
        EXPECT_DOUBLE_EQ(gone.similarity,
                         naive_similarity(shingles[gone.index], shingles[gone.of]));
        EXPECT_TRUE(std::ranges::binary_search(report.kept, gone.of));
      }
      // Recall: pairs among what stays that all pairs would not have left.
      int missed = 0;
      for (std::size_t i = 0; i < report.kept.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          missed +=
              naive_similarity(shingles[report.kept[i]], shingles[report.kept[j]]) >= threshold ? 1
                                                                                                : 0;
        }
      }
      EXPECT_GT(report.removed.size(), 40u);
      EXPECT_EQ(report.removed.size() + report.kept.size(), documents.size());
      EXPECT_LE(missed, static_cast<int>(report.removed.size() / 100));  // Recall of 0.99.
    }
  }
}

// A value of two signatures is equal as often as the sets overlap: 400 pairs of 128 values, so the
// mean is within five standard errors.
TEST(Signature, AgreesAsOftenAsTheSetsOverlap) {
  Rng rng(17);
  for (const std::size_t size : {10, 100, 3000}) {
    for (const double overlap : {0.2, 0.5, 0.9}) {
      double expected = 0, found = 0;
      constexpr int kPairs = 400;
      for (int pair = 0; pair < kPairs; ++pair) {
        std::set<std::uint64_t> a, b;
        for (std::size_t i = 0; i < size; ++i) {
          const std::uint64_t value = rng();
          const double place = rng.uniform();
          if (place < (1 + overlap) / 2) a.insert(value);
          if (place >= (1 - overlap) / 2) b.insert(value);
        }
        const std::vector<std::uint64_t> left(a.begin(), a.end()), right(b.begin(), b.end());
        if (left.empty() || right.empty()) continue;
        expected += detail::jaccard(left, right);
        const auto one = detail::signature_of(left), two = detail::signature_of(right);
        for (std::size_t i = 0; i < one.size(); ++i) found += one[i] == two[i] ? 1.0 / 128 : 0;
      }
      // Values of a small set are not independent: a set of 10 gives about 10 of them.
      const double independent = kPairs * std::min<double>(128, static_cast<double>(size));
      EXPECT_NEAR(found / kPairs, expected / kPairs, 5 * 0.5 / std::sqrt(independent) + 0.002)
          << size << " " << overlap;
    }
  }
}

TEST(Deduplicate, IsTheSameForAnyNumberOfThreads) {
  const auto documents = with_near_copies(4);
  const auto expected = deduplicate(documents, {.threads = 1}).value();
  for (const int threads : {0, 2, 5}) {
    const auto report = deduplicate(documents, {.threads = threads}).value();
    EXPECT_EQ(report.kept, expected.kept);
    EXPECT_EQ(report.summary(documents), expected.summary(documents));
  }
}

TEST(Deduplicate, ExactLooksPastCaseAndSpaceOnly) {
  const auto documents =
      documents_of({"Ein Haus am See.", "anders", "  ein  HAUS\nam see. ", "Ein Haus am See!",
                    "\xC3\x84rger", "\xC3\xA4rger", "Anders"});
  const auto report = deduplicate(documents, {.mode = Deduplication::kExact}).value();
  EXPECT_THAT(report.kept, ElementsAre(0, 1, 3, 4));
  EXPECT_EQ(report.removed.at(0).of, 0u);
  EXPECT_EQ(report.removed_bytes, 20 + 6 + 6);
  EXPECT_THAT(report.summary(documents),
              HasSubstr("removed 3 of 7 documents as duplicates, 32 bytes of"));
  EXPECT_THAT(report.summary(documents), HasSubstr("d2 is 1.00 like d0 (\"ein haus am see."));
  EXPECT_EQ(deduplicate(documents, {.mode = Deduplication::kOff})->kept.size(), 7u);
}

TEST(Deduplicate, KeepsTheEarlierGroupsDocument) {
  auto first = documents_of({"one two three", "four"});
  auto second = documents_of({"Four", "five", "ONE two three!"});
  std::vector<Document>* const groups[] = {&first, &second};
  EXPECT_EQ(remove_duplicates(groups, {.threshold = 0.1}).code(), Code::kInvalidArgument);
  EXPECT_EQ(second.size(), 3u);
  const auto removed = remove_duplicates(groups).value();
  EXPECT_EQ(removed.documents, 2);
  EXPECT_EQ(removed.bytes, 4 + 14);
  EXPECT_EQ(first.size(), 2u);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].text, "five");
}

TEST(Deduplicate, TakesTextsWithoutWordsOrSpaces) {
  std::string chinese, other;
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    const std::string character = {char(0xE4), char(0xB8 + rng.below(8)),
                                   char(0x80 + rng.below(64))};
    chinese += character;
    other += i == 150 ? "\xE4\xB8\x80\xE4\xB8\x80" : character;
  }
  const auto documents =
      documents_of({"", "!!!", "...", chinese, other, "a b", "a c", "A B.", "\xFF\xFE"});
  const auto report = deduplicate(documents).value();
  EXPECT_THAT(report.kept, ElementsAre(0, 1, 2, 3, 5, 6, 8));
  EXPECT_NEAR(shingle_similarity(chinese, other), 290.0 / 303, 0.02);
  EXPECT_EQ(shingle_similarity("", "..."), 0);
}

TEST(Deduplicate, RefusesWhatItCannotDo) {
  const auto documents = documents_of({"a", "b"});
  for (const double threshold : {0.4, 1.1, std::nan("")}) {
    EXPECT_EQ(deduplicate(documents, {.threshold = threshold}).code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(deduplicate(documents, {.threads = -1}).code(), Code::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(deduplicate(documents, {.stop = stop.get_token()}).code(), Code::kCancelled);
  EXPECT_TRUE(deduplicate({})->kept.empty());
}

}  // namespace
}  // namespace panal::data
