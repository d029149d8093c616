// Documents as numbers: word counts, then tf-idf, then a few latent dimensions in which k-means
// works well.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/document.h"

namespace panal::topics::detail {

struct WordCount {
  std::uint32_t word;
  std::uint32_t count;
};

/// The words of all documents. Words of a single document are left out: nothing can be learnt from
/// them.
struct WordTable {
  std::vector<std::string> words;
  std::vector<bool> is_stop_word;              // Per word.
  std::vector<std::vector<WordCount>> counts;  // Per document, ascending by word.
};

/// Reads up to max_bytes of each document; keeps at most max_words words, the ones in most
/// documents.
WordTable count_words(std::span<const data::Document> documents, std::size_t max_bytes,
                      std::size_t max_words);

/// Rows of unit length (or zero), row-major [num_rows, dimensions].
struct LatentVectors {
  std::size_t num_rows = 0;
  std::size_t dimensions = 0;
  std::vector<float> values;
  std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * dimensions, dimensions);
  }
};

/// tf-idf (1 + ln tf, ln n / df, unit length) of the chosen documents, projected on its main
/// directions by randomised subspace iteration: Halko, Martinsson, Tropp, "Finding Structure with
/// Randomness", 2011.
LatentVectors latent_vectors(const WordTable& table, std::span<const std::size_t> documents,
                             std::size_t dimensions, std::uint64_t seed);

}  // namespace panal::topics::detail
