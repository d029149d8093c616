// Evaluations: what the engine is asked, and what its figures decide.
#include <gmock/gmock.h>

#include "hub/evaluate.h"
#include "hub/evaluate_matrix.h"
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

using registry::Lifecycle;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(HiveTest, AnExpertsScoreIsTheLastOneAndUnknownFiguresStayUnknown) {
  add_expert("team/wax", add_core("bee"));
  runner.answers<work::EvaluateTextsJob>(
      {.context = 32,
       .evaluations = {{.text = "data", .tokens = 31, .loss = 3.0},
                       {.adapter = "adapter", .text = "data", .tokens = 31, .loss = 2.0}}});
  const auto text = test::write_plain(folder / "text.txt", "x");
  const auto score = evaluate_text(*hive, {.model = "team/wax", .data = text, .context = 32}, {});
  ASSERT_TRUE(score.ok()) << score.status().message();
  EXPECT_EQ(score->model, "team/wax@1");
  EXPECT_EQ(score->figures.loss, 2.0);
  EXPECT_EQ(score->figures.tokens, 31);
  EXPECT_EQ(score->figures.perplexity, std::nullopt);
  EXPECT_TRUE(to_json(*score).at("bits_per_byte").is_null());
  EXPECT_EQ(runner.jobs[0].spec.at("texts")[0].at("path"), text.string());
  EXPECT_EQ(runner.jobs[0].spec.at("adapters").size(), 1u);
}

TEST_F(HiveTest, AMissingTextIsNamedBeforeAnyJob) {
  add_core("bee");
  const auto missing = evaluate_text(*hive, {.model = "bee", .data = folder / "nowhere.txt"}, {});
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("nowhere.txt"));
  EXPECT_TRUE(runner.jobs.empty());
}

TEST_F(HiveTest, AnEvaluationWithoutAFigureIsAFailure) {
  add_core("bee");
  runner.answers<work::EvaluateTextsJob>({.context = 256});
  const auto text = test::write_plain(folder / "text.txt", "x");
  EXPECT_EQ(evaluate_text(*hive, {.model = "bee", .data = text}, {}).code(), Code::kInternal);
}

TEST_F(HiveTest, DetailsOfChoicesComeBackAndLeaveNoFile) {
  add_core("bee");
  runner.scripts["choices"] = [](const fleet::EngineJob& job, const auto&) -> Result<Json> {
    test::write_plain(job.spec.at("details").get<std::string>(), "{\"choice\":1}\n");
    return work::encode(work::ChoiceSummary{
        .all = {.items = 1, .acc = {0.5}, .acc_norm = {0.5}, .acc_bytes = {0.5}}});
  };
  const auto tasks = test::write_plain(folder / "tasks.jsonl", "{}\n");
  const EvaluateChoices request{
      .model = "bee", .tasks = tasks, .format = "arc", .wants_details = true};
  const auto scores = evaluate_choices(*hive, request, {});
  ASSERT_TRUE(scores.ok()) << scores.status().message();
  EXPECT_EQ(scores->details, "{\"choice\":1}\n");
  EXPECT_EQ(scores->figures.all.acc.mean, 0.5);
  EXPECT_EQ(test::num_entries(hive->home().run), 0u);
  EXPECT_EQ(runner.jobs[0].spec.at("context"), 0);
  EXPECT_EQ(runner.jobs[0].spec.at("task").at("format"), "arc");
}

class MatrixTest : public HiveTest {
 protected:
  void SetUp() override {
    HiveTest::SetUp();
    core = add_core("bee");
    const auto text = test::write_plain(folder / "text.jsonl", "{\"text\":\"held out\"}\n");
    const auto dataset =
        catalogue().add_dataset({.name = "mixed", .file = text, .num_documents = 1}).value();
    std::vector<registry::NewPartition> partitions;
    for (const char* label : {"wax", "honey"}) {
      partitions.push_back({.number = static_cast<std::int64_t>(partitions.size()),
                            .label = label,
                            .num_documents = 1,
                            .files = {{"train", text}, {"validation", text}}});
    }
    partitions.push_back(
        {.number = 2, .label = "small", .num_documents = 1, .files = {{"train", text}}});
    partitioning = catalogue()
                       .add_partitioning({.dataset_id = dataset.id,
                                          .partitioning_json = "{}",
                                          .topic_model_json = "{}",
                                          .partitions = partitions})
                       .value()
                       .id;
  }
  registry::ModelVersion add_trained(const std::string& name, const std::string& label) {
    return add_expert(name, core, Json{{"partitioning", partitioning}, {"partition", label}});
  }
  static work::TextEvaluation cell(const std::string& adapter, const std::string& text,
                                   double perplexity) {
    return {.adapter = adapter, .text = text, .tokens = 9, .perplexity = perplexity};
  }

  registry::ModelVersion core;
  std::int64_t partitioning = 0;
};

TEST_F(MatrixTest, AnExpertEarnsItsPlaceByBeatingTheCoreAtHome) {
  const auto wax = add_trained("team/wax", "wax");
  const auto honey = add_trained("team/honey", "honey");
  runner.answers<work::EvaluateTextsJob>(
      {.context = 256,
       .evaluations = {cell("", "wax", 10), cell("", "honey", 10), cell("team/wax", "wax", 8),
                       cell("team/wax", "honey", 20), cell("team/honey", "wax", 5),
                       cell("team/honey", "honey", 11)}});
  const auto matrix = evaluate_matrix(*hive, {.core = "bee", .partitioning = partitioning}, {});
  ASSERT_TRUE(matrix.ok()) << matrix.status().message();
  EXPECT_THAT(matrix->partitions, ElementsAre("wax", "honey"));
  ASSERT_EQ(matrix->experts.size(), 2u);
  for (const auto& expert : matrix->experts)
    EXPECT_EQ(expert.beats_core, expert.model.name == "team/wax");
  EXPECT_EQ(catalogue().find_model(wax.id)->state, Lifecycle::kPreferred);
  EXPECT_EQ(catalogue().find_model(honey.id)->state, Lifecycle::kCandidate);
  const auto checks = catalogue().list_evaluations(wax.id).value();
  ASSERT_EQ(checks.size(), 3u);
  EXPECT_EQ(checks[2].check, "beats-core:wax");
  EXPECT_EQ(checks[2].value, 0.8);
  EXPECT_EQ(checks[2].passed, true);
  EXPECT_EQ(test::num_entries(hive->home().run), 0u) << "the texts on their way are gone";
}

TEST_F(MatrixTest, AFigureThatIsMissingDecidesNothing) {
  const auto wax = add_trained("team/wax", "wax");
  runner.answers<work::EvaluateTextsJob>({.context = 256, .evaluations = {cell("", "wax", 10)}});
  const auto matrix = evaluate_matrix(*hive, {.core = "bee", .partitioning = partitioning}, {});
  ASSERT_TRUE(matrix.ok());
  EXPECT_EQ(matrix->perplexity("team/wax", "wax"), std::nullopt);
  EXPECT_FALSE(matrix->experts[0].beats_core);
  EXPECT_EQ(catalogue().find_model(wax.id)->state, Lifecycle::kCandidate);
  EXPECT_TRUE(catalogue().list_evaluations(wax.id).value().empty());
}

TEST_F(MatrixTest, OnlyExpertsOfThisCoreAndPartitioningTakePart) {
  const auto other = add_core("wasp", "other");
  add_trained("team/wax", "wax");
  add_expert("team/stray", core);
  add_expert("team/foreign", other, Json{{"partitioning", partitioning}, {"partition", "wax"}});
  runner.answers<work::EvaluateTextsJob>({.context = 256});
  const auto matrix = evaluate_matrix(*hive, {.core = "bee", .partitioning = partitioning}, {});
  ASSERT_TRUE(matrix.ok());
  ASSERT_EQ(matrix->experts.size(), 1u);
  EXPECT_EQ(matrix->experts[0].model.name, "team/wax");
  EXPECT_EQ(
      evaluate_matrix(*hive, {.core = "bee", .experts = {"team/foreign"}, .partitioning = 1}, {})
          .code(),
      Code::kInvalidArgument);
  EXPECT_EQ(evaluate_matrix(*hive, {.core = "team/wax", .partitioning = 1}, {}).code(),
            Code::kInvalidArgument);
}

TEST_F(MatrixTest, AFailedJobJudgesNobody) {
  const auto wax = add_trained("team/wax", "wax");
  runner.fails<work::EvaluateTextsJob>(Status(Code::kResourceExhausted, "no memory"));
  EXPECT_EQ(evaluate_matrix(*hive, {.core = "bee", .partitioning = partitioning}, {}).code(),
            Code::kResourceExhausted);
  EXPECT_EQ(catalogue().find_model(wax.id)->state, Lifecycle::kCandidate);
}

}  // namespace
}  // namespace panal::hub
