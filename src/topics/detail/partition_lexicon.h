// A small lexicon of domains: it names what clustering found ("legal", "fiction") and lends a
// partition the words people use when they ask about its subject, which its texts may not contain
// ("write a function").
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace panal::topics::detail {

struct Domain {
  std::string_view name;   // "legal"; part of partition names.
  std::string_view title;  // "legal texts".
  /// Word to strength: 1 alone decides for the domain ("warranty"), 0.45 only together with others
  /// ("work").
  std::unordered_map<std::string_view, double> words;
};

/// All domains, made once. Words are lower case, in English and Spanish, the main ones also in
/// French, German and Portuguese.
std::span<const Domain> domains();
const Domain* find_domain(std::string_view name);
/// True for words so usual in questions and texts of every kind that they say little: "history",
/// "people", "gente".
bool is_common_word(std::string_view lower_case_word);

}  // namespace panal::topics::detail
