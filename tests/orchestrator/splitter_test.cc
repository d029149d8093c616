// A table of requests in two languages with the parts a careful person would see in them.
#include "orchestrator/detail/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "orchestrator/detail/request_text.h"

namespace panal::orchestrator::detail {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Case {
  std::string request;
  std::vector<std::string> parts;  // Empty: stays whole.
};

std::vector<std::string> texts(std::string_view request, std::size_t max_parts = 4) {
  std::vector<std::string> result;
  for (const RequestPart& part : split_request(request, max_parts)) result.push_back(part.text);
  return result;
}

TEST(Splitter, CutsWhereAPersonSeesSeveralTasksAndNowhereElse) {
  const std::vector<Case> cases = {
      // One task stays one part.
      {"What is the GPL?", {}},
      {"Explain the MIT licence to a child.", {}},
      {"Write a function to read and write a file.", {}},
      {"Write a program that can open and print a file in Python.", {}},
      {"Explain how to parse JSON and write it to disk", {}},
      {"Explain tuple and list comprehension", {}},
      {"I have a Python script. It fails at line 3. Explain the error.", {}},
      {"Translate to Spanish:\n- hello\n- good night", {}},
      {"Write a poem about:\n1. the sea\n2. the moon", {}},
      {"Translate: Where is the station? What time is it?", {}},
      {"Write a poem and then translate it into Spanish.", {}},
      {"What is the GPL? How does it differ from the MIT licence?", {}},
      {"Explain the GPL. Why?", {}},
      {"Explain the difference between a list and a tuple, and give an example.", {}},
      {"Compare Python and Java", {}},
      {"Explain the GPL, MIT and Apache licences, and compare them", {}},
      {"1. MIT\n2. GPL\nWhich one is more permissive?", {}},
      {"Summarize \"First translate this. Then explain that.\" in one sentence.", {}},
      {"Escribe una función que lee y escribe un archivo.", {}},
      {"¿Quién fue Sancho Panza y por qué siguió a don Quijote?", {}},
      {"Escribe un cuento y luego tradúcelo al inglés.", {}},
      {"Explain what a copyright is and how it works", {}},
      {"Hello there, my name is Ana. I like honey. It is sweet.", {}},
      {"Use the following terms, e.g. lease and tenant. Then be brief.", {}},
      {"", {}},
      {"   \n ", {}},
      // Several tasks.
      {"Translate this into Spanish and explain that licence: Permission is hereby granted.",
       {"Translate this into Spanish", "explain that licence:"}},
      {"What is the GPL? Who wrote Don Quijote?", {"What is the GPL?", "Who wrote Don Quijote?"}},
      {"Explain the MIT licence. Also write a Python function that adds two numbers.",
       {"Explain the MIT licence.", "write a Python function that adds two numbers."}},
      {"1. Explain the Apache licence\n2. Write a haiku about bees\n3. What is a tuple in Python?",
       {"Explain the Apache licence", "Write a haiku about bees", "What is a tuple in Python?"}},
      {"Please do the following:\n- explain what a warranty is\n- write a Python loop",
       {"explain what a warranty is", "write a Python loop"}},
      {"Explain copyright; then write a class in Python.",
       {"Explain copyright", "write a class in Python."}},
      {"Describe Sancho Panza, and write a function that sorts a list",
       {"Describe Sancho Panza", "write a function that sorts a list"}},
      {"Could you please define liability and list the methods of dict?",
       {"Could you please define liability", "list the methods of dict?"}},
      {"¿Quién escribió el Quijote? ¿Qué es una licencia de software?",
       {"¿Quién escribió el Quijote?", "¿Qué es una licencia de software?"}},
      {"Traduce esta frase: \"Hello world\" y explica la licencia MIT.",
       {"Traduce esta frase:", "explica la licencia MIT."}},
      {"Explica la licencia MIT y luego escribe una función en Python.",
       {"Explica la licencia MIT", "escribe una función en Python."}},
      {"Resume el capítulo de los molinos. Además, escribe un bucle en Python.",
       {"Resume el capítulo de los molinos.", "escribe un bucle en Python."}},
      {"Dime qué es la GPL y también cuéntame quién fue Dulcinea",
       {"Dime qué es la GPL", "cuéntame quién fue Dulcinea"}},
      {"Haz lo siguiente:\n1) explica qué es una cláusula\n2) escribe una clase en Python",
       {"explica qué es una cláusula", "escribe una clase en Python"}},
      {"Hola. Explica la cláusula de garantía. Por último, describe a Rocinante.",
       {"Explica la cláusula de garantía.", "describe a Rocinante."}},
      {"Explain the error below and rewrite this code in C++:\n```python\nprint(1/0)\n```",
       {"Explain the error below", "rewrite this code in C++:"}},
  };
  EXPECT_GE(cases.size(), 25u);
  for (const Case& example : cases) {
    const std::vector<std::string> wanted =
        example.parts.empty() ? std::vector{example.request} : example.parts;
    EXPECT_EQ(texts(example.request), wanted) << example.request;
  }
}

TEST(Splitter, GivesCodeToThePartsThatSpeakOfIt) {
  const auto parts = split_request(
      "```python\nprint(1/0)\n```\nExplain the error in this code. Also tell me who wrote Don "
      "Quijote.",
      4);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_THAT(parts[0].prompt, HasSubstr("print(1/0)"));
  EXPECT_THAT(parts[1].prompt, Not(HasSubstr("print(1/0)")));
}

TEST(Splitter, GivesTheTextAfterTheColonToBothTasksBeforeIt) {
  const auto parts = split_request(
      "Translate this text and explain this licence: Permission is hereby granted. All rights.", 4);
  ASSERT_EQ(parts.size(), 2u);
  for (const RequestPart& part : parts) {
    EXPECT_THAT(part.prompt, HasSubstr("Permission is hereby granted. All rights."));
  }
}

TEST(Splitter, GivesRemarksAndInstructionsToEveryPart) {
  const auto parts = split_request(
      "I am a lawyer in Lima. Explain the GPL. Also write a Python loop. Answer in Spanish.", 4);
  ASSERT_EQ(parts.size(), 2u);
  for (const RequestPart& part : parts) {
    EXPECT_THAT(part.prompt, HasSubstr("I am a lawyer in Lima."));
    EXPECT_THAT(part.prompt, HasSubstr("Answer in Spanish."));
  }
}

// The text to work on ends where the person speaks again, also in another language.
TEST(Splitter, EndsTheGivenTextWhereTheNextOrderBegins) {
  const auto mixed = split_request(
      "Traduce al español: The cat sleeps on the roof. And explain what a licence is.", 4);
  ASSERT_EQ(mixed.size(), 2u);
  EXPECT_EQ(mixed[0].given, "The cat sleeps on the roof.");
  EXPECT_EQ(mixed[1].text, "explain what a licence is.");
  const auto spanish = split_request(
      "Traduce al español: The cat sleeps on the roof of the house. Explica qué es una licencia.",
      4);
  ASSERT_EQ(spanish.size(), 2u);
  EXPECT_EQ(spanish[0].given, "The cat sleeps on the roof of the house.");
  EXPECT_EQ(spanish[1].text, "Explica qué es una licencia.");
  // An order in the given text's own language belongs to that text.
  EXPECT_EQ(
      split_request("Traduce al español: Open the door of the house. Close the window.", 4).size(),
      1u);
}

TEST(Splitter, GivesTheQuoteOfTheFirstPartToTheSecondThatNamesIt) {
  const auto parts = split_request(
      "Translate \"The bee sleeps\" into Spanish. Then explain this sentence to a child.", 4);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_THAT(parts[1].prompt, HasSubstr("The bee sleeps"));
}

TEST(Splitter, KeepsWhatIsOverTheBoundInTheLastPart) {
  const std::string request =
      "1. Explain the GPL\n2. Write a haiku\n3. What is a tuple?\n4. Describe Sancho\n5. Define "
      "tort";
  const auto parts = split_request(request, 3);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_THAT(parts[2].text, HasSubstr("tuple"));
  EXPECT_THAT(parts[2].text, HasSubstr("Define tort"));
  EXPECT_EQ(split_request(request, 1).front().prompt, request);
}

TEST(Splitter, LosesNoTaskWhateverBytesItGets) {
  Rng rng(20);
  const std::vector<std::string> pieces = {
      "Explain ",   "translate ", "\"",       "```",     "`",   ": ",           "\n\n", "\n", "1. ",
      "- ",         "and ",       "y luego ", "? ",      ". ",  "\xC2",         "\xBF", "¿",  "ñ",
      "this text ", "(",          ")",        "the GPL", "it ", "\xE2\x80\x9C", "\xFF"};
  for (int round = 0; round < 3000; ++round) {
    std::string request;
    for (std::uint64_t n = rng.below(25); n > 0; --n) request += pieces[rng.below(pieces.size())];
    const auto parts = split_request(request, 4);
    ASSERT_GE(parts.size(), 1u);
    ASSERT_LE(parts.size(), 4u);
    if (parts.size() == 1) {
      ASSERT_EQ(parts[0].prompt, request);
      continue;
    }
    std::string all;
    for (const RequestPart& part : parts) {
      ASSERT_FALSE(part.text.empty()) << request;
      all += part.prompt;
    }
    // Words that carry the tasks' content appear in some part.
    for (const std::string word : {"GPL", "ñ", "translate"}) {
      if (request.find(word) != std::string::npos) {
        ASSERT_THAT(all, HasSubstr(word)) << request;
      }
    }
  }
}

TEST(RequestText, FoldsSpanishAndComparesWords) {
  EXPECT_EQ(fold("TradÚCEme Ñandú"), "traduceme nandu");
  EXPECT_EQ(words_of("¿Qué es «eso», e.g. don't?"),
            (std::vector<std::string>{"que", "es", "eso", "e", "g", "don't"}));
  EXPECT_DOUBLE_EQ(word_overlap("a b c", "B c d"), 0.5);
  EXPECT_DOUBLE_EQ(word_overlap("", ""), 1);
  EXPECT_EQ(excerpt("uno\n dos  🐝🐝", 11), "uno dos ...");
}

}  // namespace
}  // namespace panal::orchestrator::detail
