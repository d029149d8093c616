// Rows become the prompts lm-evaluation-harness makes, character for character; bad rows are one
// sentence with file, line and field.
#include "data/choice_task.h"
#include "base/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "data/detail/python_string.h"
#include "tests/store/temporary_folder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_trainer.h"

namespace panal::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ChoiceTask : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& content, const std::string& name = "task.jsonl") {
    const auto path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string refusal(const std::string& content, ChoiceFormat format,
                      const ChoiceTaskOptions& options = {}) {
    const auto items = read_choice_task(file(content), format, options);
    EXPECT_FALSE(items.ok()) << content;
    EXPECT_EQ(items.code(), Code::kInvalidArgument) << content;
    return items.ok() ? "" : items.status().message();
  }

 private:
  const test::TemporaryFolder folder_;
};

// The expected texts are Python's: "...".capitalize(), .strip().
TEST(PythonString, CapitalizesAndStripsAsPythonDoes) {
  using detail::capitalized;
  EXPECT_EQ(capitalized(""), "");
  EXPECT_EQ(capitalized("the BOY in Rome"), "The boy in rome");
  EXPECT_EQ(capitalized(" The"), " the");
  EXPECT_EQ(capitalized("ßO"), "Sso");
  EXPECT_EQ(capitalized("ÉLLA"), "Élla");
  EXPECT_EQ(capitalized("ΑΣ ΟΔΟΣ"), "Ας οδος");
  EXPECT_EQ(capitalized("ǆAK"), "ǅak");
  EXPECT_EQ(detail::stripped(" \t\u00a0a b\u3000\x1c\n"), "a b");
  EXPECT_EQ(detail::stripped("\u3000 "), "");
  EXPECT_EQ(detail::stripped("\u200ba"), "\u200ba");  // A zero-width space is not white space.
  EXPECT_EQ(detail::trailing_space_bytes("a \u3000"), 4U);
}

TEST_F(ChoiceTask, ReadsHellaswagAsTheHarnessCleansIt) {
  const auto path = file(
      R"({"activity_label":"Home","ctx_a":"[header] How to rest [title] Sit. [step] Now.","ctx_b":"THE cat","endings":["[substeps] sleeps  well.","  a   b [x\ny] "],"label":"1"})"
      "\n\n");
  const auto items = read_choice_task(path, ChoiceFormat::kHellaswag);
  ASSERT_TRUE(items.ok()) << items.status().message();
  ASSERT_EQ(items->size(), 1U);
  EXPECT_EQ(items->front().context, "Home: How to rest. Sit. Now. The cat");
  EXPECT_THAT(items->front().choices, ElementsAre(" sleeps well.", "a  b [x\ny]"));
  EXPECT_EQ(items->front().gold, 1);
  EXPECT_EQ(items->front().line, 1);
}

TEST_F(ChoiceTask, ReadsArcWithLettersOrDigits) {
  const auto path = file(
      R"({"question":"Which is hot?","choices":{"text":["ice","fire","snow"],"label":["1","2","3"]},"answerKey":"2"})");
  const auto items = read_choice_task(path, ChoiceFormat::kArc);
  ASSERT_TRUE(items.ok()) << items.status().message();
  EXPECT_EQ(items->front().context, "Question: Which is hot?\nAnswer:");
  EXPECT_EQ(items->front().gold, 1);
}

TEST_F(ChoiceTask, ReadsMmluWithTheSubjectsExamples) {
  const auto row = [](const std::string& question, const std::string& subject, int answer) {
    return Json{{"question", question},
                {"subject", subject},
                {"choices", {"w", "x", "y", "z"}},
                {"answer", answer}}
               .dump() +
           "\n";
  };
  const auto path = file(row("  Why?\u00a0", "world_history", 2));
  const auto shots = file(row("Not this", "anatomy", 0) + row("When?", "world_history", 3) +
                              row("Where?", "world_history", 0),
                          "dev.jsonl");
  const auto items = read_choice_task(path, ChoiceFormat::kMmlu, {.shots = 1, .shots_path = shots});
  ASSERT_TRUE(items.ok()) << items.status().message();
  EXPECT_EQ(items->front().context,
            "The following are multiple choice questions (with answers) about world history.\n\n"
            "When?\nA. w\nB. x\nC. y\nD. z\nAnswer: D\n\n"
            "Why?\nA. w\nB. x\nC. y\nD. z\nAnswer:");
  EXPECT_THAT(items->front().choices, ElementsAre("A", "B", "C", "D"));
  EXPECT_EQ(items->front().gold, 2);
  EXPECT_THAT(read_choice_task(path, ChoiceFormat::kMmlu, {.shots = 3, .shots_path = shots})
                  .status()
                  .message(),
              AllOf(HasSubstr("dev.jsonl: 3 examples are wanted"), HasSubstr("world_history"),
                    HasSubstr("found 2")));
}

TEST_F(ChoiceTask, LeavesTheQuestionOutOfItsOwnExamples) {
  const auto path = file(R"({"query":"a","choices":["b","c"],"gold":1})"
                         "\n"
                         R"({"context":"d","choices":["e","f"],"gold":0})"
                         "\n");
  const auto items =
      read_choice_task(path, ChoiceFormat::kChoices, {.shots = 1, .shots_path = {}, .limit = 0});
  ASSERT_TRUE(items.ok()) << items.status().message();
  EXPECT_EQ(items->at(0).context, "d e\n\na");
  EXPECT_EQ(items->at(1).context, "a c\n\nd");
  EXPECT_EQ(
      read_choice_task(path, ChoiceFormat::kChoices, {.shots = 1, .shots_path = {}, .limit = 1})
          ->size(),
      1U);
}

TEST_F(ChoiceTask, RefusesBadRowsByFileLineAndField) {
  using enum ChoiceFormat;
  const std::string good = R"({"query":"a","choices":["b","c"],"gold":1})"
                           "\n";
  EXPECT_THAT(refusal(good + R"({"query":"a","choices":["b",""],"gold":1})", kChoices),
              AllOf(HasSubstr("task.jsonl, line 2: \"choices[1]\""), HasSubstr("not empty")));
  EXPECT_THAT(refusal(R"({"query":"a","choices":["b"],"gold":0})", kChoices),
              HasSubstr("two or more texts"));
  EXPECT_THAT(refusal(R"({"query":"a","choices":["b","c"],"gold":2})", kChoices),
              HasSubstr("line 1: \"gold\" must be the right choice's index, 0 to 1, found 2"));
  EXPECT_THAT(refusal(R"({"query":"a","choices":["b","c"],"gold":-1})", kChoices),
              HasSubstr("\"gold\""));
  EXPECT_THAT(refusal(R"({"query":"a","context":"a","choices":["b","c"],"gold":0})", kChoices),
              HasSubstr("found both"));
  EXPECT_THAT(refusal(R"({"choices":["b","c"],"gold":0})", kChoices), HasSubstr("\"context\""));
  EXPECT_THAT(refusal(R"([1])", kChoices), HasSubstr("a row must be an object"));
  EXPECT_THAT(refusal(good + "{\"query\"", kChoices), HasSubstr("line 2"));
  EXPECT_THAT(refusal("\n \n", kChoices), HasSubstr("at least one question"));
  EXPECT_THAT(refusal("{\"query\":\"\xFF\"}", kChoices), HasSubstr("UTF-8"));
  EXPECT_THAT(
      refusal(R"({"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"C"})",
              kArc),
      AllOf(HasSubstr("\"answerKey\""), HasSubstr("[\"A\",\"B\"]")));
  EXPECT_THAT(
      refusal(
          R"({"question":"q","choices":{"text":["a","b"],"label":["A","B","C"]},"answerKey":"C"})",
          kArc),
      HasSubstr("a list of 2 labels"));
  EXPECT_THAT(refusal(R"({"question":"q","choices":["a","b"],"answerKey":"A"})", kArc),
              HasSubstr("\"choices\" must be an object"));
  EXPECT_THAT(
      refusal(R"({"question":"q","subject":"s","choices":["a","b","c"],"answer":0})", kMmlu),
      HasSubstr("a list of 4 texts"));
  EXPECT_THAT(
      refusal(R"({"activity_label":"x","ctx_a":"a","ctx_b":"","endings":["b","[c]"],"label":"0"})",
              kHellaswag),
      HasSubstr("\"endings[1]\""));
  EXPECT_THAT(
      refusal(R"({"activity_label":"x","ctx_a":"a","ctx_b":"","endings":["b","c"],"label":""})",
              kHellaswag),
      HasSubstr("\"label\""));
  EXPECT_EQ(read_choice_task("/nonexistent.jsonl", kArc).code(), Code::kNotFound);
}

TEST_F(ChoiceTask, EncodesPromptAndChoiceAsOneText) {
  const std::string text = "the house and the garden of the house and the tree in the garden ";
  const std::vector<std::string_view> views = {text};
  tokenizer::TokenizerTrainerOptions options;
  options.vocabulary_size = 270;
  const auto tokenizer = tokenizer::train_tokenizer(views, options);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const ChoiceItem item = {
      .context = "the  \n", .choices = {"house", "garden"}, .gold = 0, .subject = "", .line = 7};
  const auto encoded = encode_choices(*tokenizer, item, "task");
  ASSERT_TRUE(encoded.ok()) << encoded.status().message();
  const auto head = tokenizer->encode("the");
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& tokens = encoded->at(i).tokens;
    EXPECT_EQ(tokenizer->decode(tokens), "the  \n " + item.choices[i]);
    EXPECT_EQ(tokens.size() - encoded->at(i).scored, head.size());
  }
  EXPECT_THAT(
      encode_choices(*tokenizer,
                     {.context = " \n", .choices = {"a", "b"}, .gold = 0, .subject = "", .line = 7},
                     "task")
          .status()
          .message(),
      HasSubstr("task, line 7: the prompt must have more than white space"));
}

TEST(ChoiceFormats, HaveNames) {
  for (const std::string_view name : {"hellaswag", "arc", "mmlu", "choices"})
    EXPECT_EQ(choice_format_name(choice_format(name).value()), name);
  EXPECT_FALSE(choice_format("squad"));
}

}  // namespace
}  // namespace panal::data
