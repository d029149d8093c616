// A text as a set of hashes, one for each run of five words.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace panal::data::detail {

inline constexpr std::size_t kShingleWords = 5;
inline constexpr std::size_t kSignatureValues = 128;

/// One hash per shingle in the order of the text, with repetitions. Cost: linear.
void shingles_of(std::string_view text, std::vector<std::uint64_t>& shingles);
/// Sorted and each once.
std::vector<std::uint64_t> shingle_set(std::string_view text);
/// Of two sorted sets; 0 when both are empty.
double jaccard(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b);

using Signature = std::array<std::uint64_t, kSignatureValues>;
/// Two sets agree in a value with a probability of their Jaccard similarity. The set is not empty.
Signature signature_of(const std::vector<std::uint64_t>& shingles);

/// The text folded to one case, white space runs as one space, none at the ends.
std::string folded_text(std::string_view text);

}  // namespace panal::data::detail
