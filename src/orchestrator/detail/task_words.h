// What tells a task from a remark, in English and Spanish: verbs that order, words that ask, words
// that join two orders, and words that point back. Lists, because a wrong rule in a list can be
// seen and removed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace panal::orchestrator::detail {

enum class ClauseKind {
  kOrder,        // "Translate this", "¿puedes explicar ...": something to do.
  kQuestion,     // "What is a lease?"
  kInstruction,  // "Answer in Spanish", "Be brief": how to do all of it.
  kRemark,       // Anything else.
};
ClauseKind kind_of_clause(std::string_view clause);
inline bool is_task(ClauseKind kind) {
  return kind == ClauseKind::kOrder || kind == ClauseKind::kQuestion;
}

/// Bytes at the start of a clause that only join it to the one before: "and then ", "además, ", "2.
/// ", "- ".
std::size_t joining_prefix_bytes(std::string_view clause);
/// True when the joining prefix has a word of sequence or addition: then, also, luego, además, ...
bool has_strong_joiner(std::string_view clause);

/// May `right` be a second order after `left` and a plain "and" or comma? `right` starts after the
/// joining words. is_strong: the joiner was more than "and".
bool begins_second_task(std::string_view left, std::string_view right, bool is_strong);

/// Points at a text or code that was given: "this text", "the code above", "it".
bool refers_to_given_text(std::string_view clause);
/// Needs the answer to what came before: "the result", "your translation", "both".
bool refers_to_an_answer(std::string_view clause);
/// Has a pronoun that points back at something: "it", "they", "which one".
bool has_back_pointing_pronoun(std::string_view clause);

/// "Please do the following:", "Answer these questions:": says nothing by itself.
bool is_list_frame(std::string_view clause);
/// "Hi!", "Thank you."
bool is_courtesy(std::string_view clause);

}  // namespace panal::orchestrator::detail
