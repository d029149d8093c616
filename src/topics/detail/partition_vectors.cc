#include "topics/detail/partition_vectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "topics/language.h"
#include "topics/text_features.h"

namespace panal::topics::detail {
namespace {

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
using WordIds = std::unordered_map<std::string, std::uint32_t, StringHash, std::equal_to<>>;

std::vector<WordCount> count_document(std::string_view text, WordIds& ids) {
  std::vector<std::uint32_t> seen;
  for_each_word(text, [&](std::string_view word) {
    auto found = ids.find(word);
    if (found == ids.end()) {
      found = ids.emplace(std::string(word), static_cast<std::uint32_t>(ids.size())).first;
    }
    seen.push_back(found->second);
  });
  std::ranges::sort(seen);
  std::vector<WordCount> counts;
  for (const std::uint32_t word : seen) {
    if (counts.empty() || counts.back().word != word) counts.push_back({word, 0});
    ++counts.back().count;
  }
  return counts;
}

// Sparse rows with float values, and the two products subspace iteration needs.
struct SparseRows {
  std::size_t num_columns = 0;
  std::vector<std::vector<std::pair<std::uint32_t, float>>> rows;

  // [rows, d] = this * right, right [columns, d].
  std::vector<float> times(const std::vector<float>& right, std::size_t d) const {
    std::vector<float> product(rows.size() * d, 0.0F);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const auto& [column, value] : rows[i]) {
        for (std::size_t j = 0; j < d; ++j) product[i * d + j] += value * right[column * d + j];
      }
    }
    return product;
  }

  // [columns, d] = transpose(this) * right, right [rows, d].
  std::vector<float> transposed_times(const std::vector<float>& right, std::size_t d) const {
    std::vector<float> product(num_columns * d, 0.0F);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const auto& [column, value] : rows[i]) {
        for (std::size_t j = 0; j < d; ++j) product[column * d + j] += value * right[i * d + j];
      }
    }
    return product;
  }
};

// Modified Gram-Schmidt on the columns of [n, d], twice for accuracy; a dependent column becomes
// zero.
void orthonormalise(std::vector<float>& matrix, std::size_t d) {
  const std::size_t n = matrix.size() / std::max<std::size_t>(d, 1);
  const auto dot = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += double(matrix[i * d + a]) * matrix[i * d + b];
    return sum;
  };
  for (std::size_t j = 0; j < d; ++j) {
    const double before = std::sqrt(dot(j, j));
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t k = 0; k < j; ++k) {
        const auto along = static_cast<float>(dot(k, j));
        for (std::size_t i = 0; i < n; ++i) matrix[i * d + j] -= along * matrix[i * d + k];
      }
    }
    const double length = std::sqrt(dot(j, j));
    const float scale =
        length > 1e-5 * before && length > 0 ? static_cast<float>(1 / length) : 0.0F;
    for (std::size_t i = 0; i < n; ++i) matrix[i * d + j] *= scale;
  }
}

SparseRows tf_idf(const WordTable& table, std::span<const std::size_t> documents) {
  std::vector<std::uint32_t> frequency(table.words.size(), 0);
  for (const std::size_t document : documents) {
    for (const WordCount& entry : table.counts[document]) ++frequency[entry.word];
  }
  const auto n = static_cast<double>(documents.size());
  SparseRows matrix;
  matrix.num_columns = table.words.size();
  for (const std::size_t document : documents) {
    auto& row = matrix.rows.emplace_back();
    double squares = 0;
    for (const WordCount& entry : table.counts[document]) {
      const std::uint32_t df = frequency[entry.word];
      if (df < 2 || df > 0.7 * n || table.is_stop_word[entry.word]) continue;
      const double value = (1 + std::log(double(entry.count))) * std::log(n / df);
      row.emplace_back(entry.word, static_cast<float>(value));
      squares += value * value;
    }
    const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
    for (auto& entry : row) entry.second *= scale;
  }
  return matrix;
}

}  // namespace

WordTable count_words(std::span<const data::Document> documents, std::size_t max_bytes,
                      std::size_t max_words) {
  WordIds ids;
  WordTable table;
  for (const data::Document& document : documents) {
    table.counts.push_back(
        count_document(std::string_view(document.text).substr(0, max_bytes), ids));
  }
  std::vector<std::uint32_t> frequency(ids.size(), 0);
  for (const auto& counts : table.counts) {
    for (const WordCount& entry : counts) ++frequency[entry.word];
  }
  std::vector<std::uint32_t> kept(ids.size());
  std::iota(kept.begin(), kept.end(), 0U);
  std::erase_if(kept, [&](std::uint32_t word) { return frequency[word] < 2; });
  // Ids are given in order of appearance, so they break ties the same way everywhere.
  std::ranges::sort(kept, [&](std::uint32_t a, std::uint32_t b) {
    return frequency[a] != frequency[b] ? frequency[a] > frequency[b] : a < b;
  });
  if (kept.size() > max_words) kept.resize(max_words);
  constexpr std::uint32_t kDropped = ~0U;
  std::vector<std::uint32_t> new_id(ids.size(), kDropped);
  for (std::size_t i = 0; i < kept.size(); ++i) new_id[kept[i]] = static_cast<std::uint32_t>(i);
  table.words.resize(kept.size());
  table.is_stop_word.resize(kept.size());
  for (const auto& [word, id] : ids) {
    if (new_id[id] == kDropped) continue;
    table.words[new_id[id]] = word;
    table.is_stop_word[new_id[id]] = is_stop_word(word);
  }
  for (auto& counts : table.counts) {
    std::erase_if(counts, [&](const WordCount& entry) { return new_id[entry.word] == kDropped; });
    for (WordCount& entry : counts) entry.word = new_id[entry.word];
    std::ranges::sort(counts, {}, &WordCount::word);
  }
  return table;
}

LatentVectors latent_vectors(const WordTable& table, std::span<const std::size_t> documents,
                             std::size_t dimensions, std::uint64_t seed) {
  const SparseRows matrix = tf_idf(table, documents);
  const std::size_t d = std::min(dimensions, documents.size());
  Rng rng(seed);
  std::vector<float> basis(matrix.num_columns * d);
  for (float& value : basis) value = static_cast<float>(rng.normal());
  constexpr int kIterations = 4;
  for (int i = 0; i < kIterations; ++i) {
    std::vector<float> range = matrix.times(basis, d);
    orthonormalise(range, d);
    basis = matrix.transposed_times(range, d);
    orthonormalise(basis, d);
  }
  LatentVectors vectors{
      .num_rows = documents.size(), .dimensions = d, .values = matrix.times(basis, d)};
  for (std::size_t i = 0; i < vectors.num_rows; ++i) {
    const std::span<float> row = std::span(vectors.values).subspan(i * d, d);
    const double length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
    const auto scale = static_cast<float>(length > 1e-12 ? 1 / length : 0);
    for (float& value : row) value *= scale;
  }
  return vectors;
}

}  // namespace panal::topics::detail
