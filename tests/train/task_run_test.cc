// Multiple choice during training: the scores stand beside the validation loss wherever that goes,
// and are those the finished model gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "evaluate/choices.h"
#include "model/decoder.h"
#include "store/file_system.h"
#include "tests/train/toy_run.h"
#include "tokenizer/tokenizer.h"

namespace panal::train {
namespace {

using testing::HasSubstr;

std::string with_tasks(const std::string& tasks) {
  std::string yaml = toy_yaml("limits: {steps: 6}\n");
  const std::string key = "evaluation: {";
  yaml.insert(yaml.find(key) + key.size(), "every_steps: 3, tasks: [" + tasks + "], ");
  return yaml;
}

void write_questions(const std::filesystem::path& path) {
  write_text(
      path,
      "{\"context\": \"the bee carries\", \"choices\": [\"honey.\", \"qqqq\"], \"gold\": 0}\n"
      "{\"context\": \"a queen guards\", \"choices\": [\"zzz\", \"the hive.\"], \"gold\": 1}\n"
      "{\"context\": \"my drone finds\", \"choices\": [\"wax.\", \"xkcd\"], \"gold\": 0}\n");
}

TEST(TaskRun, ScoresAreJournalledKeptAndThoseOfTheModel) {
  const TestFolder folder("tasks");
  write_questions(folder.path() / "bees.jsonl");
  const recipe::RunConfig config = toy_config(
      folder.path(), with_tasks("{name: bees, path: bees.jsonl}, "
                                "{name: one, path: bees.jsonl, format: choices, limit: 1}"));
  EXPECT_EQ(config.evaluation.tasks[0].path, folder.path() / "bees.jsonl");
  RecordingEvents events;
  const auto summary = run_toy(config, events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  ASSERT_EQ(events.evaluations.size(), 3u);  // Steps 0, 3 and 6.
  for (const auto& point : events.evaluations) {
    ASSERT_EQ(point.tasks.size(), 2u);
    EXPECT_EQ(point.tasks.at("bees").items, 3);
    EXPECT_EQ(point.tasks.at("one").items, 1);
    EXPECT_FALSE(point.tasks.at("one").acc_standard_error);
    ASSERT_TRUE(point.bits_per_byte);
    EXPECT_GT(*point.bits_per_byte, 0);
  }
  const std::string metrics = read_text(config.run_directory / "metrics.jsonl");
  EXPECT_THAT(metrics, HasSubstr("\"tasks\":{\"bees\":{\"items\":3,"));

  // The model folder, scored by itself.
  const auto decoder = model::load_decoder(summary->model_folder);
  ASSERT_TRUE(decoder.ok()) << decoder.status().message();
  const auto tokenizer = tokenizer::Tokenizer::load(summary->model_folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto items =
      data::read_choice_task(folder.path() / "bees.jsonl", data::ChoiceFormat::kChoices).value();
  const auto scores = evaluate::score_choices(*decoder, *tokenizer, items).value();
  ASSERT_TRUE(summary->last_evaluation);
  EXPECT_EQ(summary->last_evaluation->tasks.at("bees").acc,
            evaluate::summarise_choices(items, scores).all.acc.mean);

  // A finished run's summary is read back whole.
  RecordingEvents again;
  const auto read = run_toy(config, again);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(to_line(work::to_json(*read)), to_line(work::to_json(*summary)));
}

TEST(TaskRun, ABadQuestionEndsTheRunBeforeItsFirstStep) {
  const TestFolder folder("bad_tasks");
  write_text(folder.path() / "bad.jsonl",
             "{\"context\": \"x\", \"choices\": [\"a\"], \"gold\": 0}\n");
  RecordingEvents events;
  const Status status =
      run_toy(toy_config(folder.path(), with_tasks("{name: bad, path: bad.jsonl}")), events)
          .status();
  EXPECT_THAT(status.message(), HasSubstr("evaluation.tasks bad"));
  EXPECT_THAT(status.message(), HasSubstr("bad.jsonl"));
  EXPECT_TRUE(events.steps.empty());
  const auto refused = [](const std::string& tasks) {
    return recipe::parse_run_config(with_tasks(tasks), "run.yaml").status().message();
  };
  EXPECT_THAT(refused("{name: a, path: a.jsonl}, {name: a, path: b.jsonl}"),
              HasSubstr("found \"a\" twice"));
  EXPECT_THAT(refused("{name: a, path: a.jsonl, format: quiz}"), HasSubstr("one of hellaswag"));
  EXPECT_THAT(refused("{name: a}"), HasSubstr("path"));
}

}  // namespace
}  // namespace panal::train
