#include "train/detail/data_parallel.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"
#include "train/detail/trainer.h"

namespace panal::train {
namespace {

constexpr int kRanks = 2;

// Goes on by a step at every look.
class SteppingClock final : public Clock {
 public:
  explicit SteppingClock(Nanoseconds step) : step_(step) {}
  Nanoseconds steady_now() const override { return step_ * looks_++; }
  std::int64_t unix_ms() const override { return 0; }
  void sleep_for(Nanoseconds) override {}

 private:
  const Nanoseconds step_;
  mutable std::atomic<std::int64_t> looks_ = 0;
};

TEST(DataParallel, OwnersShareTheWorkAndEveryRankHasSome) {
  std::vector<tensor::NamedTensor> parameters;
  parameters.push_back({"model.embed_tokens.weight", at::zeros({4096, 64})});
  for (int i = 0; i < 12; ++i) {
    parameters.push_back({"layers." + std::to_string(i) + ".q.weight", at::zeros({64, 64})});
    parameters.push_back({"layers." + std::to_string(i) + ".norm.weight", at::zeros({64})});
  }
  for (const int ranks : {1, 2, 3, 4}) {
    const auto owners = detail::balanced_owners(parameters, optim::Rule::kMuon, ranks);
    ASSERT_EQ(owners.size(), parameters.size());
    EXPECT_EQ(std::set<int>(owners.begin(), owners.end()).size(), static_cast<std::size_t>(ranks));
    // Matrices of one cost: no rank has two more than another that lacks the embedding.
    std::vector<int> matrices(static_cast<std::size_t>(ranks), 0);
    for (std::size_t i = 1; i < owners.size(); i += 2) {
      ++matrices[static_cast<std::size_t>(owners[i])];
    }
    std::vector<int> others = matrices;
    others.erase(others.begin() + owners[0]);
    if (others.empty()) continue;
    const auto [least, most] = std::ranges::minmax_element(others);
    EXPECT_LE(*most - *least, 1);
  }
}

Status refused(const std::string& more) {
  return parse_train_config(toy_yaml(more), "run.yaml").status();
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
  const TrainConfig config =
      toy_config(folder.path(), toy_yaml("limits: {max_seconds: 30}\nparallel: {processes: 2}\n"));
  model::ModelConfig dimensions = config.model.dimensions;
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
  const TrainConfig config =
      toy_config(folder.path(), toy_yaml("limits: {steps: 3}\nparallel: {processes: 2}\n"));
  RecordingEvents events;
  EXPECT_EQ(run_toy(config, events).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::train
