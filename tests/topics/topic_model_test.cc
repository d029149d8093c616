#include "topics/topic_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/rng.h"
#include "tests/topics/mixed_partitioning.h"

namespace panal::topics {
namespace {

using testing::HasSubstr;

struct Question {
  const char* wanted;  // A partition of the mixed dataset, "" for the core.
  const char* text;
};

constexpr Question kQuestions[] = {
    {"es-fiction", "¿Quién era Sancho Panza y qué quería?"},
    {"es-fiction", "¿Por qué Don Quijote atacó los molinos de viento?"},
    {"es-fiction", "Cuéntame la historia del caballero andante y su escudero"},
    {"es-fiction", "Who was Dulcinea del Toboso?"},
    {"es-fiction", "¿Cómo se llamaba el caballo de don Quijote?"},
    {"es-fiction", "Escribe un cuento sobre un caballero y una princesa"},
    {"es-fiction", "¿Qué hizo el cura con los libros de caballerías?"},
    {"es-fiction", "Dime quién es el bachiller Sansón Carrasco"},
    {"code-python", "Write a Python function that parses a date"},
    {"code-python", "How do I sort a list of dictionaries by key?"},
    {"code-python", "Fix this bug: for i in range(10) print(i)"},
    {"code-python", "def add(a, b):"},
    {"code-python", "What does a decorator do in Python?"},
    {"code-python", "How can I read a CSV file line by line?"},
    {"code-python", "Escribe una función en Python que lea un fichero"},
    {"code-python", "Write a unit test for the parser module"},
    {"code-python", "Schreibe eine Python Funktion, die eine Datei liest"},
    {"code-python", "How to catch an exception and log the traceback?"},
    {"code-python", "Convert this string to an integer in Python"},
    {"en-legal", "What does the GNU General Public License say about warranty?"},
    {"en-legal", "May I redistribute modified versions under the Apache License?"},
    {"en-legal", "Explain the limitation of liability clause"},
    {"en-legal", "Is the MPL compatible with the GPL?"},
    {"en-legal", "¿Qué dice la licencia GPL sobre la garantía?"},
    {"en-legal", "Who holds the copyright of a contribution?"},
    {"en-legal", "What obligations do I have when I redistribute a derivative work?"},
    {"en-legal", "¿Puedo vender un programa con licencia Apache?"},
    {"", "What is the capital of France?"},
    {"", "Hello, how are you?"},
    {"", "Give me a recipe for chocolate cake"},
    {"", "What is the weather like today?"},
    {"", "Who won the world cup in 2010?"},
    {"", "Tell me a joke"},
    {"", "How far away is the moon?"},
    {"", "Summarize the history of the Roman Empire"},
    {"", "Recommend a good movie for tonight"},
    {"", "Who painted the Mona Lisa?"},
    {"", "Explain how vaccines work"},
    {"", "12345"},
    {"", ""},
};

TEST(TopicModel, SendsShortQuestionsToTheRightExpertOrTheCore) {
  const TopicModel& model = mixed_partitioning().topic_model;
  int num_right = 0;
  for (const Question& question : kQuestions) {
    const TopicVerdict verdict = model.classify_with_reason(question.text);
    num_right += verdict.partition == question.wanted ? 1 : 0;
    if (verdict.partition != question.wanted) {
      std::cout << "[ misrouted ] " << question.text << " -> " << verdict.reason << '\n';
    }
  }
  EXPECT_GE(num_right, static_cast<int>(std::size(kQuestions)) * 9 / 10);
}

TEST(TopicModel, RecognisesTheDocumentsItWasMadeFrom) {
  const auto& documents = mixed_documents();
  const Partitioning& made = mixed_partitioning();
  int num_right = 0;
  int num_asked = 0;
  for (std::size_t i = 0; i < documents.size(); i += 10) {
    ++num_asked;
    const auto& own = made.partitions[static_cast<std::size_t>(made.assignments[i])].name;
    num_right += made.topic_model.classify(documents[i].text).front().partition == own ? 1 : 0;
  }
  EXPECT_GE(num_right, num_asked * 95 / 100);
}

TEST(TopicModel, SaysWhyForTheTrace) {
  const TopicModel& model = mixed_partitioning().topic_model;
  const TopicVerdict spanish = model.classify_with_reason("¿Quién era Sancho Panza?");
  EXPECT_THAT(spanish.reason, HasSubstr("es-fiction"));
  EXPECT_THAT(spanish.reason, HasSubstr("sancho"));
  EXPECT_THAT(spanish.reason, HasSubstr("language es"));
  EXPECT_EQ(spanish.language, "es");
  EXPECT_THAT(spanish.scores.front().terms, testing::Contains("panza"));
  EXPECT_THAT(model.classify_with_reason("Hello!").reason, HasSubstr("core: no partition reaches"));
}

TEST(TopicModel, ScoresEachPartitionFromNoughtToOneBestFirst) {
  const auto scores = mixed_partitioning().topic_model.classify("Is there a warranty on Python?");
  ASSERT_EQ(scores.size(), mixed_partitioning().partitions.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_GE(scores[i].score, 0);
    EXPECT_LE(scores[i].score, i > 0 ? scores[i - 1].score : 1.0);
  }
}

// Two partitions that a question fits alike must not push it to the core between them.
TEST(TopicModel, ChoosesOneOfTwoEquallyFitPartitions) {
  const TopicModel model(
      {{"one", "en", "", {{"function", 3.4}}}, {"two", "en", "", {{"function", 3.4}}}});
  const TopicVerdict verdict = model.classify_with_reason("Write a function");
  EXPECT_EQ(verdict.partition, "one");
  EXPECT_GT(verdict.confidence, TopicModel::kThreshold);
}

TEST(TopicModel, WithoutTopicsLeavesAllToTheCore) {
  const TopicVerdict verdict = TopicModel().classify_with_reason("¿Quién era Sancho Panza?");
  EXPECT_TRUE(verdict.partition.empty());
  EXPECT_TRUE(verdict.scores.empty());
  EXPECT_EQ(verdict.confidence, 0);
}

TEST(TopicModel, AnswersTheSameAfterSavingAndLoading) {
  const TopicModel& model = mixed_partitioning().topic_model;
  const auto json = parse_json(to_line(model.to_json()), "saved").value();
  const TopicModel loaded = TopicModel::from_json(json, "saved").value();
  for (const Question& question : kQuestions) {
    EXPECT_EQ(loaded.classify_with_reason(question.text).reason,
              model.classify_with_reason(question.text).reason);
  }
}

TEST(TopicModel, RefusesDamagedJson) {
  const Json good = TopicModel({{"a", "en", "legal", {{"word", 1.0}}}}).to_json();
  const std::pair<const char*, Json> damages[] = {{"/format", "x"},
                                                  {"/version", 0},
                                                  {"/core_language", 5},
                                                  {"/topics", 1},
                                                  {"/topics/0", 1},
                                                  {"/topics/0/partition", ""},
                                                  {"/topics/0/terms/0", "word"},
                                                  {"/topics/0/terms/0/1", -1},
                                                  {"/topics/0/terms/0/0", ""},
                                                  {"/topics/0/terms", nullptr},
                                                  {"/topics/1", good.at("topics").at(0)}};
  for (const auto& [where, value] : damages) {
    Json bad = good;
    bad[Json::json_pointer(where)] = value;
    EXPECT_EQ(TopicModel::from_json(bad, "m.json").code(), Code::kInvalidArgument) << where;
  }
}

TEST(TopicModel, SurvivesAnyBytesAsAQuestion) {
  const TopicModel& model = mixed_partitioning().topic_model;
  Rng rng(23);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (std::uint64_t i = rng.below(300); i > 0; --i) text += static_cast<char>(rng.below(256));
    for (const TopicScore& score : model.classify(text)) {
      EXPECT_TRUE(score.score >= 0 && score.score <= 1);
    }
  }
}

TEST(TopicModel, MayBeAskedFromManyThreads) {
  const TopicModel& model = mixed_partitioning().topic_model;
  const std::string expected = model.classify_with_reason(kQuestions[0].text).reason;
  std::vector<std::string> answers(4);
  {
    std::vector<std::jthread> threads;
    for (auto& answer : answers) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i)
          answer = model.classify_with_reason(kQuestions[0].text).reason;
      });
    }
  }
  EXPECT_THAT(answers, testing::Each(expected));
}

}  // namespace
}  // namespace panal::topics
