// On a device the matrices of one shape are made orthogonal together: as one after the other, with
// no more launches for many layers than for few.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>
#include <vector>

#include "optim/optimizer.h"
#include "tensor/named_tensor.h"
#include "tests/device/simulated_device.h"

namespace panal::optim {
namespace {

using tensor::NamedTensor;
using tensor::Precision;

// Layers with a fused matrix of GPT-2's, one of its transposed ones, a wide and a tall one.
std::vector<NamedTensor> model_of(int layers) {
  at::manual_seed(3);
  std::vector<NamedTensor> parameters;
  const auto add = [&](const std::string& name, at::IntArrayRef sizes) {
    parameters.push_back({name, at::randn(sizes).mul_(0.1).set_requires_grad(true)});
  };
  for (int layer = 0; layer < layers; ++layer) {
    const std::string prefix = "h." + std::to_string(layer);
    add(prefix + ".attn.c_attn.weight", {12, 36});
    add(prefix + ".mlp.c_fc.weight", {12, 20});
    add(prefix + ".mlp.up_proj.weight", {20, 12});
    add(prefix + ".mlp.down_proj.weight", {12, 20});
    add(prefix + ".norm.weight", {12});
  }
  return parameters;
}

recipe::OptimizerConfig config_of(recipe::Rule rule, Precision precision) {
  recipe::OptimizerConfig config{.rule = rule};
  config.muon.precision = precision;
  config.muon.newton_schulz_steps = 1;  // A simulated product takes milliseconds.
  return config;
}

std::vector<at::Tensor> after_steps(const recipe::OptimizerConfig& config) {
  const auto parameters = model_of(2);
  const auto optimizer = make_optimizer(config, parameters);
  for (int step = 0; step < 2; ++step) {
    for (const auto& parameter : parameters) {
      at::Tensor value = parameter.value;
      value.mutable_grad() = at::randn(value.sizes());
    }
    optimizer->step(1.0, 0.5);
  }
  std::vector<at::Tensor> values;
  for (const auto& parameter : parameters) values.push_back(parameter.value.detach());
  return values;
}

std::int64_t launches_of_a_step(const recipe::OptimizerConfig& config, int layers) {
  const auto parameters = model_of(layers);
  for (const auto& parameter : parameters) {
    at::Tensor value = parameter.value;
    value.mutable_grad() = at::ones_like(value);
  }
  const auto optimizer = make_optimizer(config, parameters);
  const std::int64_t before = kernels::cuda::num_launches();
  optimizer->step(1.0);
  return kernels::cuda::num_launches() - before;
}

// With their states in the host's memory parameters are updated one after the other.
TEST(OrthogonalUpdates, TogetherEqualThoseOneAfterTheOther) {
  for (const recipe::Rule rule : {recipe::Rule::kMuon, recipe::Rule::kNorMuon, recipe::Rule::kScion,
                                  recipe::Rule::kTransportedScion}) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
      recipe::OptimizerConfig config = config_of(rule, precision);
      const auto together = after_steps(config);
      config.has_states_on_host = true;
      const auto one_by_one = after_steps(config);
      for (std::size_t i = 0; i < together.size(); ++i) {
        EXPECT_TRUE(together[i].equal(one_by_one[i]))
            << recipe::rule_name(rule) << ", parameter " << i;
      }
    }
  }
}

TEST(OrthogonalUpdates, TakeAsManyLaunchesForManyLayersAsForFew) {
  const recipe::OptimizerConfig config = config_of(recipe::Rule::kMuon, Precision::kBFloat16);
  const std::int64_t few = launches_of_a_step(config, 1);
  EXPECT_GT(few, 0);
  EXPECT_EQ(launches_of_a_step(config, 4), few);
}

}  // namespace
}  // namespace panal::optim
