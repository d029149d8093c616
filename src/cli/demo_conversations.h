// The demo's documents as conversations. A model that learns from bare documents goes on with a
// document when it is asked; one that learns from questions and answers keeps conversing. The
// answers are passages of the documents, word for word but for line ends; the questions are made of
// what the documents themselves say of a passage: the heading over it, the docstring in it, the
// person it begins with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace panal::cli {

struct QuestionAndAnswer {
  std::string question;
  std::string answer;
  bool operator==(const QuestionAndAnswer&) const = default;
};

/// A licence's sections: "What does the GNU General Public License, version 3, say about disclaimer
/// of warranty?", or of a section without a heading "What does section 2 of ... say?". `name` is
/// what a licence without a title of its own is called. UTF-8 with LF line ends.
std::vector<QuestionAndAnswer> ask_about_licence(std::string_view text, std::string_view name);

/// The public functions of a Python file that say in a docstring what they do and are short enough
/// to be an answer: "Write a Python function that returns ...".
std::vector<QuestionAndAnswer> ask_about_functions(std::string_view python);

/// Passages of Spanish narrative that begin with a person who is named in it often: "¿Qué quería
/// don Quijote?", "¿Quién era Dulcinea?". Speeches and verses are left out.
std::vector<QuestionAndAnswer> ask_about_persons(std::string_view spanish);

/// {"messages": [user, assistant], "source"}: what `panal data add` reads as a conversation.
Json to_chat_record(const QuestionAndAnswer& pair, std::string_view source);

}  // namespace panal::cli
