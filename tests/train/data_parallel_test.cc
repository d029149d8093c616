#include "train/detail/data_parallel.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

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
  EXPECT_FALSE(refused("limits: {max_seconds: 30}\nparallel: {processes: 2}\n").ok());
  EXPECT_FALSE(refused("limits: {steps: 3}\nparallel: {processes: 0}\n").ok());
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
