// Which folder a request trains in, and what it is told about that.
#include "hub/detail/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/home.h"
#include "tests/store/temporary_folder.h"

namespace panal::hub {
namespace {

using detail::find_run_place;
using detail::RunDescription;
using detail::RunPlace;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kConfig = "kind: pretrain\ndata: {path: text.txt}\nlimits: {steps: 3}\n";

class RunPlaceTest : public testing::Test {
 protected:
  void SetUp() override { test::write_plain(folder / "text.txt", "some text"); }
  RunPlace place(std::string config = kConfig, bool begins_anew = false,
                 const std::string& origin = "run.yaml") {
    auto found = find_run_place(home, {.kind = "train",
                                       .origin = origin,
                                       .config = config,
                                       .config_name = origin,
                                       .base_directory = folder.path(),
                                       .begins_anew = begins_anew});
    EXPECT_TRUE(found.ok()) << found.status().message();
    return found.ok() ? *found : RunPlace{};
  }

  test::TemporaryFolder folder;
  const store::Home home = store::open_home(store::posix_file_system(), folder / "home").value();
};

TEST_F(RunPlaceTest, TheSameRunIsFoundAgainWhateverElseChanged) {
  const RunPlace first = place();
  EXPECT_TRUE(std::filesystem::is_directory(first.folder));
  EXPECT_EQ(first.folder.filename().string().substr(0, 6), "train-");
  EXPECT_THAT(first.remark, IsEmpty());
  for (const std::string& config :
       {std::string(kConfig), std::string("# note\n") + kConfig, std::string(kConfig) + "name: b\n",
        std::string(kConfig) + "checkpoint: {keep: 5}\n"}) {
    EXPECT_EQ(place(config).folder, first.folder) << config;
    EXPECT_EQ(place(config, false, "elsewhere.yaml").folder, first.folder);
    EXPECT_THAT(place(config).remark, IsEmpty());
  }
}

TEST_F(RunPlaceTest, AnotherRunOfTheSameFileSaysWhatIsDifferent) {
  const RunPlace first = place();
  const RunPlace other = place(std::string(kConfig) + "seed: 2\n");
  EXPECT_NE(other.folder, first.folder);
  EXPECT_THAT(other.remark,
              HasSubstr("a new run: seed was 1 and is 2; the one before it stays in " +
                        first.folder.string()));
  // Asked for again it is nothing new; another file's runs are not compared.
  EXPECT_THAT(place(std::string(kConfig) + "seed: 2\n").remark, IsEmpty());
  EXPECT_THAT(place(std::string(kConfig) + "seed: 3\n", false, "elsewhere.yaml").remark, IsEmpty());
}

TEST_F(RunPlaceTest, ChangedDataIsAnotherRunAndThatOfTheOldDataStays) {
  const RunPlace first = place();
  test::write_plain(folder / "text.txt", "some texT");
  const RunPlace other = place();
  EXPECT_NE(other.folder, first.folder);
  EXPECT_THAT(other.remark, HasSubstr("what data.paths leads to has changed"));
  test::write_plain(folder / "text.txt", "some text");
  EXPECT_EQ(place().folder, first.folder);
}

TEST_F(RunPlaceTest, ANewOneBeginsBesideTheOthersAndIsThenTheOneThatGoesOn) {
  const RunPlace first = place();
  const RunPlace second = place(kConfig, true);
  EXPECT_EQ(second.folder.string(), first.folder.string() + "-2");
  EXPECT_THAT(second.remark, HasSubstr(first.folder.string()));
  EXPECT_EQ(place().folder, second.folder);
  EXPECT_EQ(place(kConfig, true).folder.string(), first.folder.string() + "-3");
}

TEST_F(RunPlaceTest, WhatCannotBeIdentifiedLeavesNothing) {
  std::filesystem::remove(folder / "text.txt");
  const RunDescription run{.kind = "train",
                           .origin = "run.yaml",
                           .config = kConfig,
                           .config_name = "run.yaml",
                           .base_directory = folder.path()};
  const Status gone = find_run_place(home, run).status();
  EXPECT_EQ(gone.code(), Code::kNotFound);
  EXPECT_THAT(gone.message(), HasSubstr("data.paths"));
  RunDescription misspelt = run;
  misspelt.config = "kind: pretrain\nlimit: {steps: 3}\n";
  const Status refused = find_run_place(home, misspelt).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("run.yaml:2"));
  EXPECT_EQ(test::num_entries(home.jobs), 0u);
}

// The record of an earlier run that is damaged tells nothing, and harms nothing.
TEST_F(RunPlaceTest, ADamagedRecordIsPassedOver) {
  const RunPlace first = place();
  test::write_plain(first.folder / "begun.json", "{\"origin\":");
  EXPECT_THAT(place(std::string(kConfig) + "seed: 2\n").remark, IsEmpty());
  EXPECT_EQ(place().folder, first.folder);
}

}  // namespace
}  // namespace panal::hub
