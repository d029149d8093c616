#include "topics/partitioner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "topics/detail/partition_clusters.h"
#include "topics/detail/partition_label.h"
#include "topics/detail/partition_vectors.h"
#include "topics/language.h"

namespace panal::topics {
namespace {

using detail::Group;
using detail::WordCount;
using detail::WordTable;

constexpr std::size_t kMaxBytesCounted = 64U << 10;
constexpr std::size_t kMaxWords = 60'000;
constexpr std::size_t kDimensions = 16;

Status check_options(std::span<const data::Document> documents, const PartitionOptions& options) {
  const auto refuse = [](std::string message) {
    return Status(Code::kInvalidArgument, std::move(message));
  };
  if (documents.empty()) return refuse("cannot partition a dataset without documents");
  const bool has_text = std::ranges::any_of(documents, [](const data::Document& document) {
    return document.text.find_first_not_of(" \t\r\n") != std::string::npos;
  });
  if (!has_text) return refuse("cannot partition: no document holds anything but white space");
  if (options.max_partitions < 1 || options.max_partitions > 256) {
    return refuse(
        fmt::format("max_partitions must be from 1 to 256, found {}", options.max_partitions));
  }
  if (options.max_partitions_per_language < 1 || options.partitions_per_language < 0 ||
      options.partitions_per_language > 256) {
    return refuse(
        "partitions per language must be from 0 (found automatically) to 256, and at most at least "
        "1");
  }
  if (options.min_documents < 1 || !(options.min_fraction >= 0 && options.min_fraction <= 0.5)) {
    return refuse(fmt::format(
        "min_documents must be at least 1 and min_fraction from 0 to 0.5, found {} and {}",
        options.min_documents, options.min_fraction));
  }
  if (!(options.min_separation >= 0 && options.min_separation <= 1)) {
    return refuse(
        fmt::format("min_separation must be from 0 to 1, found {}", options.min_separation));
  }
  return Status();
}

// Multinomial naive Bayes over the words of groups: which group would most likely have written a
// document?
class WordJudge {
 public:
  WordJudge(const WordTable& table, const std::vector<std::vector<std::size_t>>& groups)
      : num_words_(table.words.size()) {
    for (const auto& group : groups) {
      auto& counts = counts_.emplace_back(num_words_, kPrior);
      double total = kPrior * static_cast<double>(num_words_);
      for (const std::size_t document : group) {
        for (const WordCount& entry : table.counts[document]) {
          counts[entry.word] += entry.count;
          total += entry.count;
        }
      }
      for (double& count : counts) count = std::log(count / total);
      may_win_.push_back(!group.empty());
    }
  }

  // The index of the likeliest group, or `otherwise` when there is no evidence.
  std::size_t judge(const std::vector<WordCount>& words, std::size_t otherwise) const {
    std::size_t best = otherwise;
    double best_score = -1e300;
    for (std::size_t g = 0; g < counts_.size() && !words.empty(); ++g) {
      if (!may_win_[g]) continue;
      double score = 0;
      // Repetitions are heard less: the tenth "self" is hardly news.
      for (const WordCount& entry : words)
        score += std::log1p(entry.count) * counts_[g][entry.word];
      if (score > best_score) {
        best_score = score;
        best = g;
      }
    }
    return best;
  }

 private:
  static constexpr double kPrior = 0.1;
  std::size_t num_words_;
  std::vector<std::vector<double>> counts_;  // Logarithms of shares, [group][word].
  std::vector<bool> may_win_;
};

class Partitioner {
 public:
  Partitioner(std::span<const data::Document> documents, const PartitionOptions& options,
              const LanguageDetector& detector)
      : documents_(documents), options_(options), detector_(detector) {
    const auto n = static_cast<std::int64_t>(documents.size());
    const auto share = static_cast<std::int64_t>(options.min_fraction * static_cast<double>(n));
    // In a small dataset a sixth of it is enough to be a group of its own.
    minimum_ = static_cast<std::size_t>(
        std::max<std::int64_t>({1, std::min(options.min_documents, n / 6), share}));
  }

  Result<Partitioning> run() {
    PANAL_TRY(detect_languages());
    PANAL_TRY(report(0.45));
    table_ = detail::count_words(documents_, kMaxBytesCounted, kMaxWords);
    PANAL_TRY(report(0.65));
    settle_doubtful();
    merge_small_languages();
    PANAL_TRY(report(0.7));
    PANAL_TRY(split_languages());
    PANAL_TRY(report(0.95));
    Partitioning made = build();
    PANAL_TRY(report(1));
    return made;
  }

 private:
  Status report(double fraction) {
    if (options_.stop.stop_requested()) return Status(Code::kCancelled, "partitioning was stopped");
    if (options_.progress) options_.progress(fraction);
    return Status();
  }

  Status detect_languages() {
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      if (i % 256 == 0) {
        PANAL_TRY(report(0.45 * static_cast<double>(i) / static_cast<double>(documents_.size())));
      }
      guesses_.push_back(detector_.detect(documents_[i].text));
    }
    return Status();
  }

  std::map<std::string, std::vector<std::size_t>> by_language() const {
    std::map<std::string, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < guesses_.size(); ++i) groups[guesses_[i].language].push_back(i);
    return groups;
  }

  // A docstring is English and a table is nothing; their words still tell that they belong to a
  // program.
  void settle_doubtful() {
    const auto is_doubtful = [&](const LanguageGuess& guess) {
      if (is_code_language(guess.language)) return guess.language == "code:other";
      return guess.code >= 0.1 || guess.confidence < 0.4;
    };
    std::map<std::string, std::vector<std::size_t>> sure = by_language();
    for (auto& [language, members] : sure) {
      std::erase_if(members, [&](std::size_t i) { return is_doubtful(guesses_[i]); });
      if (members.size() < minimum_) members.clear();
    }
    std::erase_if(sure, [](const auto& entry) { return entry.second.empty(); });
    if (sure.empty()) return;
    std::vector<std::string> languages;
    std::vector<std::vector<std::size_t>> groups;
    for (auto& [language, members] : sure) {
      languages.push_back(language);
      groups.push_back(std::move(members));
    }
    const WordJudge judge(table_, groups);
    for (std::size_t i = 0; i < guesses_.size(); ++i) {
      if (!is_doubtful(guesses_[i])) continue;
      const std::size_t winner = judge.judge(table_.counts[i], languages.size());
      if (winner < languages.size()) guesses_[i].language = languages[winner];
    }
  }

  // Languages of a handful of documents join the language whose words are nearest: an expert needs
  // text. Small programming languages join the largest one.
  void merge_small_languages() {
    const auto groups = by_language();
    std::vector<std::string> languages;
    std::vector<std::vector<std::size_t>> kept;
    std::string main_code;
    std::size_t num_code = 0;
    for (const auto& [language, members] : groups)
      num_code += is_code_language(language) ? members.size() : 0;
    const auto least = [&](const std::string& language) {
      return is_code_language(language) ? std::max(minimum_, num_code / 10) : minimum_;
    };
    for (const auto& [language, members] : groups) {
      if (is_code_language(language) &&
          (main_code.empty() || members.size() > groups.at(main_code).size())) {
        main_code = language;
      }
    }
    for (const auto& [language, members] : groups) {
      const bool stands_for_code = language == main_code && num_code >= minimum_;
      if (language == "und" || (members.size() < least(language) && !stands_for_code)) continue;
      languages.push_back(language);
      kept.push_back(members);
    }
    if (kept.empty()) {  // Nothing is large enough: the largest takes all.
      const auto largest = std::ranges::max_element(
          groups, {}, [](const auto& entry) { return entry.second.size(); });
      languages.push_back(largest->first);
      kept.push_back(largest->second);
    }
    const WordJudge judge(table_, kept);
    for (LanguageGuess& guess : guesses_) {
      if (std::ranges::find(languages, guess.language) != languages.end()) continue;
      const auto i = static_cast<std::size_t>(&guess - guesses_.data());
      const bool joins_code = is_code_language(guess.language) &&
                              std::ranges::find(languages, main_code) != languages.end();
      guess.language =
          joins_code ? main_code : languages[judge.judge(table_.counts[i], largest_of(kept))];
    }
  }

  static std::size_t largest_of(const std::vector<std::vector<std::size_t>>& groups) {
    const auto largest =
        std::ranges::max_element(groups, {}, [](const auto& group) { return group.size(); });
    return static_cast<std::size_t>(largest - groups.begin());
  }

  Status split_languages() {
    for (auto& [language, members] : by_language()) {
      PANAL_TRY(report(0.7));
      std::vector<std::vector<std::size_t>> parts;
      if (options_.partitions_per_language > 0) {
        parts = cut(members, static_cast<std::size_t>(options_.partitions_per_language));
      } else {
        parts = split_while_clear(members);
      }
      for (auto& part : parts) groups_.push_back({language, std::move(part)});
    }
    join_documentation();
    // Over the limit the smallest join their nearest relative in words.
    while (groups_.size() > static_cast<std::size_t>(options_.max_partitions)) join_smallest();
    std::ranges::stable_sort(groups_, std::ranges::greater(),
                             [](const Group& group) { return group.documents.size(); });
    return Status();
  }

  // Prose that is plainly about programs belongs with the programs: two partitions that answer the
  // same questions would only take them from each other.
  void join_documentation() {
    const auto size_as_code = [](const Group& group) {
      return is_code_language(group.language) ? group.documents.size() : 0;
    };
    const auto code = std::ranges::max_element(groups_, {}, size_as_code);
    if (code == groups_.end() || size_as_code(*code) == 0) return;
    constexpr double kPlainly = 1.5;
    std::vector<std::size_t> documentation;
    for (const Group& group : groups_) {
      const bool is_prose = !is_code_language(group.language);
      if (is_prose && detail::nearest_domain(table_, group, kPlainly) == "code") {
        documentation.insert(documentation.end(), group.documents.begin(), group.documents.end());
      }
    }
    std::erase_if(groups_, [&](const Group& group) {
      return !is_code_language(group.language) &&
             std::ranges::find(documentation, group.documents.front()) != documentation.end();
    });
    auto& target = std::ranges::max_element(groups_, {}, size_as_code)->documents;
    target.insert(target.end(), documentation.begin(), documentation.end());
    std::ranges::sort(target);
  }

  void join_smallest() {
    const auto smallest = std::ranges::min_element(
        groups_, {}, [](const Group& group) { return group.documents.size(); });
    const Group leaving = std::move(*smallest);
    groups_.erase(smallest);
    std::vector<std::vector<std::size_t>> rest;
    for (const Group& group : groups_) rest.push_back(group.documents);
    const WordJudge judge(table_, rest);
    for (const std::size_t document : leaving.documents) {
      auto& target = groups_[judge.judge(table_.counts[document], largest_of(rest))].documents;
      target.insert(std::ranges::upper_bound(target, document), document);
    }
  }

  // Clusters of the members, empty ones left out.
  std::vector<std::vector<std::size_t>> cut(const std::vector<std::size_t>& members,
                                            std::size_t k) const {
    k = std::min(k, members.size());
    const auto vectors = detail::latent_vectors(table_, members, kDimensions, options_.seed);
    const auto clusters = detail::cluster(vectors, k, options_.balanced, options_.seed);
    std::vector<std::vector<std::size_t>> parts(k);
    for (std::size_t i = 0; i < members.size(); ++i) {
      parts[static_cast<std::size_t>(clusters.assignments[i])].push_back(members[i]);
    }
    std::erase_if(parts, [](const auto& part) { return part.empty(); });
    return parts;
  }

  // Separation of two parts: what own word distributions save on held-out words, per nat of knowing
  // which part a document is in. 1 would be: each word alone gives its part away.
  double separation(const std::vector<std::vector<std::size_t>>& parts) const {
    std::vector<std::pair<std::size_t, std::int32_t>> order;
    std::size_t num_members = 0;
    for (const auto& part : parts) num_members += part.size();
    double entropy = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const double share = static_cast<double>(parts[p].size()) / static_cast<double>(num_members);
      entropy -= share * std::log(share);
      for (const std::size_t document : parts[p])
        order.emplace_back(document, static_cast<std::int32_t>(p));
    }
    std::ranges::sort(order);
    std::vector<std::size_t> documents;
    std::vector<std::int32_t> assignments;
    for (const auto& [document, part] : order) {
      documents.push_back(document);
      assignments.push_back(part);
    }
    return detail::held_out_gain(table_, documents, assignments, parts.size()) /
           std::max(entropy, 1e-9);
  }

  // Bisects as long as both halves are large enough and clearly apart: the clearest split first.
  std::vector<std::vector<std::size_t>> split_while_clear(
      const std::vector<std::size_t>& members) const {
    struct Part {
      std::vector<std::size_t> members;
      std::vector<std::vector<std::size_t>> halves;
      double separation;
    };
    const auto examine = [&](std::vector<std::size_t> part) {
      Part examined{std::move(part), {}, -1};
      if (examined.members.size() < 2 * minimum_) return examined;
      examined.halves = cut(examined.members, 2);
      const bool fits = examined.halves.size() == 2 && examined.halves[0].size() >= minimum_ &&
                        examined.halves[1].size() >= minimum_;
      if (fits) examined.separation = separation(examined.halves);
      return examined;
    };
    std::vector<Part> parts{examine(members)};
    const auto most = static_cast<std::size_t>(
        std::min(options_.max_partitions_per_language, options_.max_partitions));
    while (parts.size() < most) {
      const auto clearest = std::ranges::max_element(parts, {}, &Part::separation);
      if (clearest->separation < options_.min_separation) break;
      auto halves = std::move(clearest->halves);
      parts.erase(clearest);
      for (auto& half : halves) parts.push_back(examine(std::move(half)));
    }
    std::vector<std::vector<std::size_t>> made;
    for (Part& part : parts) made.push_back(std::move(part.members));
    return made;
  }

  Partitioning build() const {
    Partitioning made;
    made.assignments.assign(documents_.size(), 0);
    made.difficulty.assign(documents_.size(), Difficulty::kUnknown);
    const auto labels = detail::label_groups(table_, groups_);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      Partition& partition = made.partitions.emplace_back();
      partition.name = labels[g].name;
      partition.title = labels[g].title;
      partition.language = groups_[g].language;
      partition.domain = labels[g].domain;
      partition.terms = labels[g].terms;
      partition.num_documents = static_cast<std::int64_t>(groups_[g].documents.size());
      for (const std::size_t document : groups_[g].documents) {
        made.assignments[document] = static_cast<std::int32_t>(g);
        partition.text_bytes += static_cast<std::int64_t>(documents_[document].text.size());
      }
    }
    made.topic_model =
        TopicModel(detail::describe_topics(table_, groups_, labels), options_.core_language);
    return made;
  }

  std::span<const data::Document> documents_;
  const PartitionOptions& options_;
  const LanguageDetector& detector_;
  std::size_t minimum_ = 1;
  std::vector<LanguageGuess> guesses_;  // Per document.
  WordTable table_;
  std::vector<Group> groups_;
};

}  // namespace

Result<Partitioning> partition(std::span<const data::Document> documents,
                               const PartitionOptions& options) {
  PANAL_TRY(check_options(documents, options));
  PANAL_ASSIGN(const LanguageDetector detector, LanguageDetector::open());
  return Partitioner(documents, options, detector).run();
}

std::string_view difficulty_name(Difficulty difficulty) {
  switch (difficulty) {
    case Difficulty::kEasy:
      return "easy";
    case Difficulty::kMedium:
      return "medium";
    case Difficulty::kHard:
      return "hard";
    case Difficulty::kUnknown:
      break;
  }
  return "unknown";
}

std::vector<std::size_t> Partitioning::members(std::size_t partition) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    if (static_cast<std::size_t>(assignments[i]) == partition) found.push_back(i);
  }
  return found;
}

std::optional<std::size_t> Partitioning::find(std::string_view name) const {
  const auto found = std::ranges::find(partitions, name, &Partition::name);
  if (found == partitions.end()) return std::nullopt;
  return static_cast<std::size_t>(found - partitions.begin());
}

Status assign_difficulty(Partitioning& partitioning, std::span<const double> loss_per_document) {
  if (loss_per_document.size() != partitioning.assignments.size()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("expected one loss for each of {} documents, found {}",
                              partitioning.assignments.size(), loss_per_document.size()));
  }
  std::ranges::fill(partitioning.difficulty, Difficulty::kUnknown);
  for (std::size_t p = 0; p < partitioning.partitions.size(); ++p) {
    Partition& partition = partitioning.partitions[p];
    std::vector<double> losses;
    const std::vector<std::size_t> members = partitioning.members(p);
    for (const std::size_t i : members) {
      if (std::isfinite(loss_per_document[i])) losses.push_back(loss_per_document[i]);
    }
    partition.easy_below.reset();
    partition.hard_above.reset();
    if (losses.size() < 3) continue;
    std::ranges::sort(losses);
    partition.easy_below = losses[losses.size() / 3 - 1];
    partition.hard_above = losses[losses.size() - losses.size() / 3 - 1];
    for (const std::size_t i : members) {
      const double loss = loss_per_document[i];
      if (!std::isfinite(loss)) continue;
      partitioning.difficulty[i] = loss <= *partition.easy_below   ? Difficulty::kEasy
                                   : loss <= *partition.hard_above ? Difficulty::kMedium
                                                                   : Difficulty::kHard;
    }
  }
  return Status();
}

Result<double> purity(const Partitioning& partitioning,
                      std::span<const std::string> known_origins) {
  if (known_origins.size() != partitioning.assignments.size() || known_origins.empty()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("expected one origin for each of {} documents, found {}",
                              partitioning.assignments.size(), known_origins.size()));
  }
  std::vector<std::map<std::string_view, std::int64_t>> counts(partitioning.partitions.size());
  for (std::size_t i = 0; i < known_origins.size(); ++i) {
    ++counts[static_cast<std::size_t>(partitioning.assignments[i])][known_origins[i]];
  }
  std::int64_t num_pure = 0;
  for (const auto& origins : counts) {
    std::int64_t most = 0;
    for (const auto& [origin, count] : origins) most = std::max(most, count);
    num_pure += most;
  }
  return static_cast<double>(num_pure) / static_cast<double>(known_origins.size());
}

}  // namespace panal::topics
