#include "topics/detail/partition_clusters.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"

namespace panal::topics::detail {
namespace {

// A word in this share of the documents is about the subject or the style, not about one file.
constexpr double kBroadShare = 0.1;

using Centres = std::vector<std::vector<double>>;

double cosine(std::span<const float> row, const std::vector<double>& centre) {
  return std::inner_product(row.begin(), row.end(), centre.begin(), 0.0);
}

Centres seed_centres(const LatentVectors& vectors, std::size_t k, Rng& rng) {
  Centres centres;
  const auto add = [&](std::size_t i) {
    const auto row = vectors.row(i);
    centres.emplace_back(row.begin(), row.end());
  };
  add(rng.below(vectors.num_rows));
  std::vector<double> distance(vectors.num_rows, 2);
  while (centres.size() < k) {
    double total = 0;
    for (std::size_t i = 0; i < vectors.num_rows; ++i) {
      distance[i] =
          std::min(distance[i], std::max(0.0, 1 - cosine(vectors.row(i), centres.back())));
      total += distance[i];
    }
    double drawn = rng.uniform() * total;
    std::size_t chosen = vectors.num_rows - 1;
    for (std::size_t i = 0; i < vectors.num_rows; ++i) {
      drawn -= distance[i];
      if (drawn < 0) {
        chosen = i;
        break;
      }
    }
    add(chosen);
  }
  return centres;
}

Centres centres_of(const LatentVectors& vectors, const std::vector<std::int32_t>& assignments,
                   const Centres& before) {
  Centres centres(before.size(), std::vector<double>(vectors.dimensions, 0.0));
  for (std::size_t i = 0; i < vectors.num_rows; ++i) {
    const auto row = vectors.row(i);
    auto& centre = centres[static_cast<std::size_t>(assignments[i])];
    for (std::size_t j = 0; j < row.size(); ++j) centre[j] += row[j];
  }
  for (std::size_t c = 0; c < centres.size(); ++c) {
    auto& centre = centres[c];
    const double length =
        std::sqrt(std::inner_product(centre.begin(), centre.end(), centre.begin(), 0.0));
    if (length < 1e-12) {
      centre = before[c];  // An empty cluster keeps its place and may win rows again.
    } else {
      for (double& value : centre) value /= length;
    }
  }
  return centres;
}

void assign_nearest(const LatentVectors& vectors, const Centres& centres, Clusters& clusters) {
  double sum = 0;
  for (std::size_t i = 0; i < vectors.num_rows; ++i) {
    double best = -2;
    for (std::size_t c = 0; c < centres.size(); ++c) {
      const double similarity = cosine(vectors.row(i), centres[c]);
      if (similarity > best) {
        best = similarity;
        clusters.assignments[i] = static_cast<std::int32_t>(c);
      }
    }
    sum += best;
  }
  clusters.cohesion = sum / static_cast<double>(vectors.num_rows);
}

// Greedy form of c-BTM's balanced assignment: the most certain rows choose first, full clusters are
// closed.
void assign_balanced(const LatentVectors& vectors, const Centres& centres, Clusters& clusters) {
  struct Wish {
    double similarity;
    std::size_t row;
    std::size_t centre;
  };
  std::vector<Wish> wishes;
  for (std::size_t i = 0; i < vectors.num_rows; ++i) {
    for (std::size_t c = 0; c < centres.size(); ++c) {
      wishes.push_back({cosine(vectors.row(i), centres[c]), i, c});
    }
  }
  std::ranges::stable_sort(wishes, std::ranges::greater(), &Wish::similarity);
  const std::size_t room = (vectors.num_rows + centres.size() - 1) / centres.size();
  std::vector<std::size_t> taken(centres.size(), 0);
  std::ranges::fill(clusters.assignments, -1);
  double sum = 0;
  for (const Wish& wish : wishes) {
    if (clusters.assignments[wish.row] >= 0 || taken[wish.centre] >= room) continue;
    clusters.assignments[wish.row] = static_cast<std::int32_t>(wish.centre);
    ++taken[wish.centre];
    sum += wish.similarity;
  }
  clusters.cohesion = sum / static_cast<double>(vectors.num_rows);
}

}  // namespace

Clusters cluster(const LatentVectors& vectors, std::size_t k, bool balanced, std::uint64_t seed) {
  Clusters best;
  best.cohesion = -2;
  constexpr std::uint64_t kStarts = 6;
  constexpr int kIterations = 30;
  for (std::uint64_t start = 0; start < kStarts; ++start) {
    Rng rng(derive_seed(seed, start));
    Centres centres = seed_centres(vectors, k, rng);
    Clusters found;
    found.assignments.assign(vectors.num_rows, 0);
    for (int i = 0; i < kIterations; ++i) {
      const auto before = found.assignments;
      balanced ? assign_balanced(vectors, centres, found) : assign_nearest(vectors, centres, found);
      if (i > 0 && found.assignments == before) break;
      centres = centres_of(vectors, found.assignments, centres);
    }
    if (found.cohesion > best.cohesion + 1e-12) best = std::move(found);
  }
  return best;
}

double held_out_gain(const WordTable& table, const std::vector<std::size_t>& documents,
                     const std::vector<std::int32_t>& assignments, std::size_t k) {
  // Broad words only: names that live in a few documents would reward slicing one subject by its
  // files.
  const std::size_t num_words = table.words.size();
  std::vector<std::uint32_t> frequency(num_words, 0);
  for (const std::size_t document : documents) {
    for (const WordCount& entry : table.counts[document]) ++frequency[entry.word];
  }
  const double enough = std::max(4.0, kBroadShare * static_cast<double>(documents.size()));
  const auto is_broad = [&](std::uint32_t word) { return frequency[word] >= enough; };
  const auto num_used = static_cast<double>(
      std::ranges::count_if(frequency, [&](std::uint32_t count) { return count >= enough; }));
  double gain = 0;
  double num_held_out = 0;
  for (std::size_t fold = 0; fold < 2; ++fold) {
    std::vector<double> common(num_words, 0);
    std::vector<std::vector<double>> own(k, std::vector<double>(num_words, 0));
    std::vector<double> totals(k, 0);
    double total = 0;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      // Runs of neighbours fall into one fold: passages of one file must not vouch for each other.
      if ((i / 8) % 2 == fold) continue;
      const auto c = static_cast<std::size_t>(assignments[i]);
      for (const WordCount& entry : table.counts[documents[i]]) {
        if (!is_broad(entry.word)) continue;
        common[entry.word] += entry.count;
        own[c][entry.word] += entry.count;
        totals[c] += entry.count;
        total += entry.count;
      }
    }
    if (total == 0) continue;
    // Dirichlet prior: the cluster's distribution starts as the common one, worth this many words.
    constexpr double kPriorWords = 500;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if ((i / 8) % 2 != fold) continue;
      const auto c = static_cast<std::size_t>(assignments[i]);
      for (const WordCount& entry : table.counts[documents[i]]) {
        if (!is_broad(entry.word)) continue;
        const double everywhere = (common[entry.word] + 0.5) / (total + 0.5 * num_used);
        const double here =
            (own[c][entry.word] + kPriorWords * everywhere) / (totals[c] + kPriorWords);
        gain += entry.count * std::log(here / everywhere);
        num_held_out += entry.count;
      }
    }
  }
  return num_held_out > 0 ? gain / num_held_out : 0;
}

}  // namespace panal::topics::detail
