#include "train/detail/data_parallel.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "tests/stepping_clock.h"
#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"
#include "train/detail/trainer.h"

namespace panal::train {
namespace {

using test::SteppingClock;

constexpr int kRanks = 2;

Status refused(const std::string& more) {
  return recipe::parse_run_config(toy_yaml(more), "run.yaml").status();
}

TEST(DataParallel, MoreProcessesThanSequencesAreRefusedWithTheLine) {
  const Status status = refused("limits: {steps: 3}\nparallel: {processes: 5}\n");
  EXPECT_NE(status.message().find("run.yaml:11"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("batch.sequences 4, found 5"), std::string::npos)
      << status.message();
  EXPECT_TRUE(refused("limits: {steps: 3}\nparallel: {processes: 4}\n").ok());
  EXPECT_TRUE(refused("limits: {max_seconds: 30}\nparallel: {processes: 2}\n").ok());
  EXPECT_FALSE(refused("limits: {steps: 3}\nparallel: {processes: 0}\n").ok());
}

TEST(DataParallel, TheWayOfGradientsIsOneOfTwo) {
  const std::string yaml = "limits: {steps: 3}\nparallel: {processes: 2, exchange: ";
  EXPECT_TRUE(refused(yaml + "auto}\n").ok());
  EXPECT_TRUE(refused(yaml + "host}\n").ok());
  const Status status = refused(yaml + "nccl}\n");
  EXPECT_NE(status.message().find("run.yaml:11"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("exchange"), std::string::npos) << status.message();
}

// Were each to go by its own clock, the one whose stands still would take eight steps and the
// other two: they would wait for each other until the deadline.
TEST(DataParallel, RanksMeasureStepsTogetherAndLeaveEverythingAsItWas) {
  const TestFolder folder("measure");
  const recipe::RunConfig config =
      toy_config(folder.path(), toy_yaml("limits: {max_seconds: 30}\nparallel: {processes: 2}\n"));
  recipe::ModelConfig dimensions = config.model.dimensions;
  dimensions.vocabulary_size = 320;
  std::vector<double> found(kRanks);
  on_all_ranks(kRanks, [&](swarm::Group& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    detail::Trainer trainer(config, model::Decoder::random(dimensions, 7),
                            toy_stream(toy_shard(folder.path(), 320), config), &group);
    std::vector<at::Tensor> before;
    for (const auto& entry : trainer.trainable()) before.push_back(entry.value.detach().clone());
    const Json position = trainer.stream().state();
    found[rank] = trainer.measured_step_seconds(
        SteppingClock(std::chrono::milliseconds(rank == 0 ? 0 : 700)));
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_TRUE(before[i].equal(trainer.trainable()[i].value)) << trainer.trainable()[i].name;
      EXPECT_FALSE(trainer.trainable()[i].value.grad().defined());
    }
    EXPECT_EQ(trainer.stream().state(), position);
  });
  EXPECT_DOUBLE_EQ(found[0], 0.7);
  EXPECT_DOUBLE_EQ(found[1], 0.7);
}

TEST(DataParallel, ARunWithoutItsOtherProcessesIsRefused) {
  const TestFolder folder("ranks");
  const recipe::RunConfig config =
      toy_config(folder.path(), toy_yaml("limits: {steps: 3}\nparallel: {processes: 2}\n"));
  RecordingEvents events;
  EXPECT_EQ(run_toy(config, events).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::train
