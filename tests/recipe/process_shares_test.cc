// How work is divided among processes, seen from its shapes alone.
#include "recipe/process_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/error.h"
#include "recipe/presets.h"
#include "tensor/step_sizes.h"

namespace panal::recipe {
namespace {

TEST(ProcessShares, OwnersShareTheWorkAndEveryRankHasSome) {
  std::vector<ParameterShape> parameters = {{"model.embed_tokens.weight", {4096, 64}}};
  for (int i = 0; i < 12; ++i) {
    parameters.push_back({"layers." + std::to_string(i) + ".q.weight", {64, 64}});
    parameters.push_back({"layers." + std::to_string(i) + ".norm.weight", {64}});
  }
  for (const int ranks : {1, 2, 3, 4}) {
    const auto owners = balanced_owners(parameters, Rule::kMuon, ranks);
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

TEST(ProcessShares, SharesAddUpToTheModel) {
  const ModelConfig model = find_preset("gpt2-124m")->config;
  const OptimizerConfig optimizer{.rule = Rule::kMuon};
  for (const int processes : {1, 2, 5}) {
    double elements = 0, flops = 0;
    for (const ProcessShare& share : process_shares(model, optimizer, processes)) {
      elements += share.matrices() + share.vectors;
      flops += share.update_flops;
    }
    EXPECT_EQ(elements, static_cast<double>(model.num_parameters()));
    EXPECT_NEAR(flops, process_shares(model, optimizer, 1).front().update_flops, 1e-6 * flops);
  }
  EXPECT_THROW(process_shares(model, optimizer, 1000), Error);
}

TEST(ProcessShares, BucketsHoldEveryTensorOnceFromTheLast) {
  const auto parameters = parameter_shapes(find_preset("llama-0.2b")->config);
  std::vector<std::size_t> seen;
  for (const auto& bucket : gradient_buckets(parameters)) {
    std::int64_t elements = 0;
    for (const std::size_t i : bucket) {
      elements += parameters[i].num_elements();
      seen.push_back(i);
    }
    EXPECT_TRUE(bucket.size() == 1 || elements <= tensor::kBucketElements);
  }
  ASSERT_EQ(seen.size(), parameters.size());
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], parameters.size() - 1 - i);
}

}  // namespace
}  // namespace panal::recipe
