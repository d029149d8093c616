// Runs over several sources: shares in the summary, exact resumes, and data that cannot be used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

using testing::HasSubstr;

std::string mixture_yaml(const std::string& sources, const std::string& more = "") {
  std::string yaml = toy_yaml("limits: {steps: 12}\n" + more);
  const std::string path = "data: {path: text.txt, ";
  return yaml.replace(yaml.find(path), path.size(), "data: {sources: [" + sources + "], ");
}

const std::string kTwo =
    "{name: bees, path: text.txt, weight: 3}, {name: numbers, path: numbers.txt}";

recipe::RunConfig mixture_config(const TestFolder& folder, const std::string& run = "run") {
  std::string numbers;
  for (int i = 0; i < 4000; ++i) numbers += std::to_string(i) + (i % 20 == 19 ? ".\n\n" : " ");
  write_text(folder.path() / "numbers.txt", numbers);
  return toy_config(folder.path(), mixture_yaml(kTwo), run);
}

TEST(MixtureRun, DrawsBySharesAndSaysTheEpochsOfEachSource) {
  const TestFolder folder("mixture");
  RecordingEvents events;
  const auto summary = run_toy(mixture_config(folder), events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  ASSERT_EQ(summary->sources.size(), 2u);
  const auto& [bees, numbers] = std::tie(summary->sources[0], summary->sources[1]);
  EXPECT_EQ(bees.name, "bees");
  EXPECT_EQ(bees.windows, 36);  // Of 12 steps of 4 windows, three quarters.
  EXPECT_EQ(numbers.windows, 12);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "run" / "data" / "training-numbers.tokens"));
  const Json json = work::to_json(*summary);
  EXPECT_NEAR(json["sources"][0]["share"].get<double>(), 0.75, 1e-14);  // Weights to 2^-48.
  EXPECT_DOUBLE_EQ(json["sources"][1]["epochs"], numbers.epochs.value());
  RecordingEvents again;
  EXPECT_EQ(work::to_json(run_toy(mixture_config(folder), again).value()), json);
}

TEST(MixtureRun, ResumesBitEqual) {
  const TestFolder folder("mixture_resume");
  RecordingEvents whole, first, second;
  const auto straight = run_toy(mixture_config(folder, "straight"), whole);
  ASSERT_TRUE(straight.ok()) << straight.status().message();
  first.stop_after_step = 5;
  ASSERT_EQ(run_toy(mixture_config(folder, "parts"), first)->status, work::RunStatus::kStopped);
  const auto resumed = run_toy(mixture_config(folder, "parts"), second);
  ASSERT_TRUE(resumed.ok()) << resumed.status().message();
  EXPECT_EQ(resumed->resumed_from_step, 5);
  EXPECT_EQ(resumed->training_loss, straight->training_loss);
  const auto weights = [&](const char* run) {
    return read_text(folder.path() / run / "model" / "model.safetensors");
  };
  EXPECT_EQ(weights("parts"), weights("straight"));
}

// The names of source and file are told, and nothing of a run is left but its config.
TEST(MixtureRun, NamesTheSourceThatCannotBeUsed) {
  const TestFolder folder("mixture_bad");
  write_text(folder.path() / "empty.txt", "  \n");
  write_text(folder.path() / "short.txt", "One.");
  const auto told = [&](const std::string& yaml) {
    RecordingEvents events;
    const auto summary = run_toy(toy_config(folder.path(), yaml), events);
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "run" / "plan.json"));
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "run" / "checkpoints"));
    return summary.status().message();
  };
  const std::string good = "{name: bees, path: text.txt}, ";
  EXPECT_THAT(told(mixture_yaml(good + "{name: none, path: empty.txt}")),
              HasSubstr("empty.txt: blank: there is no text in it"));
  EXPECT_THAT(told(mixture_yaml(good + "{name: gone, path: gone.txt}")), HasSubstr("gone.txt"));
  EXPECT_THAT(told(mixture_yaml(good + "{name: brief, path: short.txt}")),
              HasSubstr("source \"brief\": the data is shorter than one window"));
}

// A held-out file whose text also stands in the training data, a little changed: it stays, the copy
// goes.
TEST(MixtureRun, RemovesNearDuplicatesOfHeldOutTextFromTraining) {
  const TestFolder folder("mixture_duplicates");
  // Words that do not repeat: toy_text's passages would be near duplicates of each other.
  const auto text = [](int begin) {
    std::string words;
    for (int i = begin; i < begin + 1500; ++i) {
      const int number = i * 7919 % 10'007;
      for (const int digit : {number % 26, number / 26 % 26, number / 676}) {
        words += static_cast<char>('a' + digit);
      }
      words += (i % 30 == 29 ? ".\n\n" : " ");
    }
    return words;
  };
  std::filesystem::create_directories(folder.path() / "texts");
  std::string changed = text(3000);
  changed.replace(200, 4, "else");
  write_text(folder.path() / "texts" / "a.txt", text(0));
  write_text(folder.path() / "texts" / "b.txt", changed);
  write_text(folder.path() / "texts" / "c.txt", text(0));
  write_text(folder.path() / "held.txt", text(3000));
  std::string yaml = toy_yaml("limits: {steps: 2}\n");
  const std::string data = "data: {path: text.txt, validation_fraction: 0.2, ";
  yaml.replace(yaml.find(data), data.size(),
               "data: {path: texts, validation_path: held.txt, deduplicate: near, ");
  RecordingEvents events;
  const auto summary = run_toy(toy_config(folder.path(), yaml), events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->duplicate_documents, 2);
  EXPECT_GT(summary->duplicate_bytes, 11'000);
  EXPECT_GT(summary->validation_documents, 10);
  EXPECT_THAT(events.messages, HasSubstr("removed 2 of 4 documents as duplicates"));
  EXPECT_THAT(events.messages, HasSubstr("b.txt is 0.99 like"));
}

TEST(MixtureRun, StopsAtATornShardAndKeepsTheCheckpoint) {
  const TestFolder folder("torn_shard");
  RecordingEvents first, second;
  first.stop_after_step = 4;
  const recipe::RunConfig config = toy_config(folder.path(), toy_yaml());
  ASSERT_EQ(run_toy(config, first)->status, work::RunStatus::kStopped);
  const auto shard = folder.path() / "run" / "data" / "training.tokens";
  const std::string good = read_text(shard);
  std::string bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  write_text(shard, bad);
  const auto torn = run_toy(config, second);
  EXPECT_EQ(torn.code(), Code::kCorrupt);
  EXPECT_THAT(torn.status().message(), HasSubstr(shard.string()));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "run" / "checkpoints" / "step_00000004"));
  write_text(shard, good.substr(0, good.size() / 2));
  RecordingEvents third, fourth;
  EXPECT_THAT(run_toy(config, third).status().message(), HasSubstr("a file cut short?"));
  write_text(shard, good);
  const auto healed = run_toy(config, fourth);
  ASSERT_TRUE(healed.ok()) << healed.status().message();
  EXPECT_EQ(healed->resumed_from_step, 4);
}

}  // namespace
}  // namespace panal::train
