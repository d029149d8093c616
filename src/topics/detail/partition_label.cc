#include "topics/detail/partition_label.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "topics/detail/partition_lexicon.h"
#include "topics/language.h"
#include "topics/text_features.h"

namespace panal::topics::detail {
namespace {

constexpr std::size_t kMaxTerms = 1500;
constexpr double kLeastWeight = 0.3;
constexpr double kMostWeight = 3.4;
// A word is fully usual when a fair part of the documents have it; a rare one is an accident of the
// sample.
constexpr double kUsualRate = 0.08;

// rates[g][w]: share of group g's documents that have word w, smoothed by half a document.
std::vector<std::vector<double>> document_rates(const WordTable& table,
                                                std::span<const Group> groups) {
  std::vector<std::vector<double>> rates;
  for (const Group& group : groups) {
    auto& rate = rates.emplace_back(table.words.size(), 0.5);
    for (const std::size_t document : group.documents) {
      for (const WordCount& entry : table.counts[document]) rate[entry.word] += 1;
    }
    for (double& value : rate) value /= static_cast<double>(group.documents.size()) + 1;
  }
  return rates;
}

// How much likelier word is in group than where else it is most usual, in nats.
double lift(const std::vector<std::vector<double>>& rates, std::size_t group, std::size_t word) {
  double elsewhere = 0.005;  // With no other group a word has to be usual in absolute terms.
  for (std::size_t g = 0; g < rates.size(); ++g) {
    if (g != group) elsewhere = std::max(elsewhere, rates[g][word]);
  }
  return std::log(rates[group][word] / elsewhere);
}

bool is_topical(const WordTable& table, std::size_t word) {
  // Two bytes are an abbreviation or a letter and its accent; one character of Han script is three.
  return !table.is_stop_word[word] && table.words[word].size() > 2;
}

std::vector<std::string> distinctive_terms(const WordTable& table,
                                           const std::vector<std::vector<double>>& rates,
                                           std::size_t group) {
  std::vector<std::pair<double, std::size_t>> ranked;
  for (std::size_t word = 0; word < table.words.size(); ++word) {
    if (!is_topical(table, word) || is_common_word(table.words[word])) continue;
    const double score = rates[group][word] * std::min(lift(rates, group, word), 4.0);
    if (score > 0) ranked.emplace_back(-score, word);
  }
  constexpr std::size_t kShown = 5;
  std::ranges::sort(ranked);
  std::vector<std::string> terms;
  for (const auto& [score, word] : ranked) {
    if (terms.size() == kShown) break;
    // "license" and "licenses" tell a reader the same thing.
    const std::string& candidate = table.words[word];
    const bool repeats = std::ranges::any_of(terms, [&](const std::string& term) {
      return term.starts_with(candidate) || candidate.starts_with(term);
    });
    if (!repeats) terms.push_back(candidate);
  }
  return terms;
}

// Lower case ASCII letters, digits and '-', so that a name works in URLs, file names and shells.
std::string slug(std::string_view text) {
  std::string made;
  for (const char c : text) {
    const bool is_kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_kept) {
      made += c;
    } else if (!made.empty() && made.back() != '-' && static_cast<unsigned char>(c) < 0x80) {
      made += '-';
    }
  }
  while (!made.empty() && made.back() == '-') made.pop_back();
  return made;
}

Label plain_label(const Group& group, std::string domain, std::vector<std::string> terms) {
  Label label{.domain = std::move(domain), .terms = std::move(terms)};
  const std::string title = language_title(group.language);
  if (is_code_language(group.language)) {
    label.name = slug(group.language);
    label.title = "Code · " + title;
  } else if (const Domain* known = find_domain(label.domain); known != nullptr) {
    label.name = slug(group.language + "-" + label.domain);
    label.title = fmt::format("{} · {}", title, known->title);
  } else {
    label.name = slug(group.language);
    label.title = title;
    if (!label.terms.empty()) {
      const std::string term = slug(label.terms.front());
      if (!term.empty()) label.name += "-" + term;
      label.title += " · " + label.terms.front();
    }
  }
  return label;
}

void make_unique(std::vector<Label>& labels) {
  std::map<std::string, int> uses;
  for (const Label& label : labels) ++uses[label.name];
  std::set<std::string> taken;
  for (Label& label : labels) {
    if (uses[label.name] > 1 && !label.terms.empty()) {
      const std::string term = slug(label.terms.front());
      if (!term.empty()) label.name += "-" + term;
      label.title += ": " + label.terms.front();
    }
    const std::string base = label.name;
    for (int number = 2; !taken.insert(label.name).second; ++number) {
      label.name = fmt::format("{}-{}", base, number);
    }
  }
}

// "licencia" in a novel is a courtesy; in a question it means what the legal partition is about.
bool belongs_to_rival(const std::string& word, std::string_view own_domain,
                      std::span<const Label> labels) {
  const auto strength_in = [&](std::string_view name) {
    const Domain* domain = find_domain(name);
    if (domain == nullptr) return 0.0;
    const auto found = domain->words.find(word);
    return found == domain->words.end() ? 0.0 : found->second;
  };
  if (strength_in(own_domain) > 0) return false;
  return std::ranges::any_of(labels,
                             [&](const Label& label) { return strength_in(label.domain) >= 1; });
}

void keep_strongest(std::vector<TopicTerm>& terms) {
  std::ranges::sort(terms, [](const TopicTerm& a, const TopicTerm& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.word < b.word;
  });
  if (terms.size() > kMaxTerms) terms.resize(kMaxTerms);
}

}  // namespace

std::string nearest_domain(const WordTable& table, const Group& group, double margin) {
  if (is_code_language(group.language)) return "code";
  std::vector<double> found(domains().size(), 0);
  double num_words = 0;
  std::vector<double> counts(table.words.size(), 0);
  for (const std::size_t document : group.documents) {
    for (const WordCount& entry : table.counts[document]) {
      num_words += entry.count;
      counts[entry.word] += entry.count;
    }
  }
  for (std::size_t word = 0; word < counts.size(); ++word) {
    if (counts[word] == 0) continue;
    for (std::size_t d = 0; d < found.size(); ++d) {
      const auto entry = domains()[d].words.find(table.words[word]);
      if (entry == domains()[d].words.end()) continue;
      // A single very frequent word must not name a domain.
      found[d] += entry->second * std::min(counts[word], num_words * 0.006);
    }
  }
  constexpr double kEnough = 0.008;
  const auto best = static_cast<std::size_t>(std::ranges::max_element(found) - found.begin());
  const double most = std::exchange(found[best], 0);
  const double next = *std::ranges::max_element(found);
  if (num_words == 0 || most < kEnough * num_words || most < margin * next) return "";
  return std::string(domains()[best].name);
}

std::vector<Label> label_groups(const WordTable& table, std::span<const Group> groups) {
  const auto rates = document_rates(table, groups);
  std::vector<Label> labels;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    labels.push_back(plain_label(groups[g], nearest_domain(table, groups[g]),
                                 distinctive_terms(table, rates, g)));
  }
  make_unique(labels);
  return labels;
}

std::vector<Topic> describe_topics(const WordTable& table, std::span<const Group> groups,
                                   std::span<const Label> labels) {
  const auto rates = document_rates(table, groups);
  std::vector<Topic> topics;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::map<std::string, double> weights;
    for (std::size_t word = 0; word < table.words.size(); ++word) {
      if (!is_topical(table, word)) continue;
      const double usual = 1 - std::exp(-rates[g][word] / kUsualRate);
      const double weight = std::min(lift(rates, g, word), kMostWeight) * usual;
      const bool says_little = is_common_word(table.words[word]) ||
                               belongs_to_rival(table.words[word], labels[g].domain, labels);
      const double share = says_little ? 0.2 : 1.0;
      if (weight * share >= kLeastWeight) weights[table.words[word]] = weight * share;
    }
    if (const Domain* domain = find_domain(labels[g].domain); domain != nullptr) {
      for (const auto& [word, strength] : domain->words) {
        double& weight = weights[std::string(word)];
        // Licences and programs are asked about in any language, a story in the one it is told in.
        const bool is_foreign = labels[g].domain == "fiction" && weight == 0;
        weight = std::max(weight, kMostWeight * strength * (is_foreign ? 0.3 : 1.0));
      }
    }
    Topic topic{
        .partition = labels[g].name, .language = groups[g].language, .domain = labels[g].domain};
    for (const auto& [word, weight] : weights)
      topic.terms.push_back({word, std::round(weight * 1000) / 1000});
    keep_strongest(topic.terms);
    topics.push_back(std::move(topic));
  }
  return topics;
}

}  // namespace panal::topics::detail
