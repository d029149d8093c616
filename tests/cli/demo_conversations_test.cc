// Documents as the demo finds them, and the questions they answer.
#include "cli/demo_conversations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal::cli {

void PrintTo(const QuestionAndAnswer& pair, std::ostream* out) {
  *out << pair.question << " -> " << pair.answer;
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// A text of so many sentences that it is long enough to be an answer.
std::string prose(const std::string& sentence, int times) {
  std::string text = sentence;
  for (int i = 1; i < times; ++i) text += " " + sentence;
  return text;
}

TEST(DemoConversations, ALicenceIsAskedByItsTitleVersionAndHeadings) {
  const std::string warranty =
      "There is no warranty for the program, to the extent that is permitted by the law of the "
      "land.";
  const std::string patents =
      "Each contributor grants you a patent license under the claims that are essential to it, "
      "i.e. the claims it owns.";
  const auto pairs = ask_about_licence(
      "                GNU GENERAL PUBLIC LICENSE\n              Version 3, 29 June 2007\n\n"
      " Everyone is permitted to copy this license document, but changing it is not allowed, says "
      "it.\n\n  15. Disclaimer of Warranty.\n\n  There is no warranty for the program, to the\n"
      "extent that is permitted by the law of the land.\n\n  16. Patents. " +
          patents + "\n\n" + patents + "\n",
      "GPL-3");
  const std::string asked = "the GNU General Public License, version 3, say about ";
  EXPECT_THAT(
      pairs,
      ElementsAre(QuestionAndAnswer{"What does " + asked + "disclaimer of warranty?", warranty},
                  QuestionAndAnswer{"What does " + asked + "patents?", patents},
                  QuestionAndAnswer{"What else does " + asked + "patents?", patents}));
}

TEST(DemoConversations, ASectionWithoutAHeadingIsAskedByItsNumber) {
  const std::string rule =
      "You may copy and distribute verbatim copies of the source code as you receive it, in any "
      "medium.";
  EXPECT_THAT(
      ask_about_licence("  1. " + rule + "\n\n     END OF TERMS AND CONDITIONS\n\n" + rule,
                        "House"),
      ElementsAre(QuestionAndAnswer{"What does section 1 of the House licence say?", rule}));
}

TEST(DemoConversations, AnAnswerIsWholeSentencesOfALengthThatIsRead) {
  const std::string sentence = "You may convey the work under the terms of this section.";
  const auto pairs = ask_about_licence("1. " + prose(sentence, 40), "House");
  ASSERT_THAT(pairs, SizeIs(5));
  for (const auto& [question, answer] : pairs) EXPECT_EQ(answer, prose(sentence, 8));
}

TEST(DemoConversations, AFunctionAnswersWhatItsDocstringSays) {
  const std::string add =
      "def add(a, b):\n    \"\"\"Return the sum of two\n    numbers. Never fails.\"\"\"\n    "
      "return a + "
      "b";
  const std::string walk =
      "def walk(tree):\n    '''Visit each node of a tree.'''\n\n    yield tree";
  const auto pairs = ask_about_functions("import os\n\n" + add + "\n\n\n" + walk + "\n\n\nX = 1\n");
  EXPECT_THAT(
      pairs,
      ElementsAre(QuestionAndAnswer{"Write a Python function that returns the sum of two numbers.",
                                    "```python\n" + add + "\n```"},
                  QuestionAndAnswer{"Write a Python function: Visit each node of a tree.",
                                    "```python\n" + walk + "\n```"}));
}

TEST(DemoConversations, FunctionsThatSayNothingOrAreForNobodyAreLeftOut) {
  EXPECT_THAT(ask_about_functions("def add(a, b):\n    return a + b\n"), IsEmpty());
  EXPECT_THAT(ask_about_functions("def _add(a, b):\n    '''Return the sum of two numbers.'''\n"),
              IsEmpty());
  EXPECT_THAT(ask_about_functions("def add(a, b):\n    '''Return the sum of two numbers."),
              IsEmpty());
  EXPECT_THAT(ask_about_functions("def add(a):\n    '''Return the name, e.g. 'x' or y.'''\n"),
              IsEmpty());
}

// Names the persons often enough to know them: at the end of a sentence, but for their first word.
std::string novel(const std::string& paragraphs) {
  std::string text;
  for (int i = 0; i < 12; ++i) text += "Vino con doña Marta y luego vino con Sancho Panza.\n\n";
  return text + paragraphs;
}

TEST(DemoConversations, APersonIsIntroducedFirstAndThenAskedForByTheVerb) {
  const std::string more = " en aquella venta del camino, donde todos dormían menos el ventero.";
  const auto pairs = ask_about_persons(
      novel("Sancho Panza quería cenar" + more + "\n\nEstaba Sancho Panza alegre" + more +
            "\n\nAllí doña Marta\nentró" + more + "\n\nSancho Panza quería cenar" + more + "\n"));
  EXPECT_THAT(
      pairs,
      ElementsAre(
          QuestionAndAnswer{"¿Quién era Sancho Panza?", "Sancho Panza quería cenar" + more},
          QuestionAndAnswer{"¿Quién era Sancho Panza?", "Estaba Sancho Panza alegre" + more},
          QuestionAndAnswer{"¿Quién era doña Marta?", "Allí doña Marta entró" + more},
          QuestionAndAnswer{"¿Qué quería Sancho Panza?", "Sancho Panza quería cenar" + more}));
}

TEST(DemoConversations, SpeechesPlacesAndUnknownNamesAreNoSubjects) {
  const std::string more = " en aquella venta del camino, donde todos dormían menos el ventero";
  EXPECT_THAT(ask_about_persons(novel("— Señor —dijo Sancho Panza—, cenemos" + more + ".\n\n")),
              IsEmpty());
  EXPECT_THAT(ask_about_persons(novel("Sancho Panza, despierto" + more + ", dijo:\n\n")),
              IsEmpty());
  EXPECT_THAT(ask_about_persons(novel("Llegó a la Sancho Panza" + more + ".\n\n")), IsEmpty());
  EXPECT_THAT(ask_about_persons(novel("Llegó Basilio" + more + ".\n\n")), IsEmpty());
}

TEST(DemoConversations, WhateverTheyAreGivenTheAnswersAreText) {
  for (const char* text : {"", "\n", "1.", "1. ", "def ", "def f(:", "don", "don \xC3\x81", "—",
                           "def f():\n", "def f():\n    \"\"\"", "Preamble\n\nA.", "9999."}) {
    SCOPED_TRACE(text);
    EXPECT_THAT(ask_about_licence(text, ""), IsEmpty());
    EXPECT_THAT(ask_about_functions(text), IsEmpty());
    EXPECT_THAT(ask_about_persons(text), IsEmpty());
  }
}

TEST(DemoConversations, ARecordIsAChatWithItsSource) {
  EXPECT_EQ(
      to_line(to_chat_record({"¿Sí?", "No."}, "book.txt")),
      R"({"messages":[{"role":"user","content":"¿Sí?"},{"role":"assistant","content":"No."}],)"
      R"("source":"book.txt"})");
}

}  // namespace
}  // namespace panal::cli
