// Training does not depend on the number of threads, nor on who else wants the cores: chunks and
// the order of sums follow from shapes.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "kernels/cpu/dispatch.h"
#include "model/decoder.h"
#include "optim/optimizer.h"
#include "tensor/named_tensor.h"
#include "tensor/runtime.h"

namespace panal::train {
namespace {

recipe::ModelConfig toy(recipe::Architecture architecture) {
  recipe::ModelConfig config;
  config.architecture = architecture;
  config.vocabulary_size = 1100;
  config.width = 192;
  config.layers = 2;
  config.heads = 3;
  config.key_value_heads = architecture == recipe::Architecture::kGpt2 ? 3 : 1;
  config.head_width = 64;
  config.feed_forward_width = 416;
  config.context_length = 80;
  config.tied_embeddings = config.attention_bias = architecture == recipe::Architecture::kGpt2;
  return config;
}

// Every trainable number after three updates.
std::vector<at::Tensor> trained(recipe::Architecture architecture, tensor::Precision precision,
                                bool is_lora, int threads) {
  tensor::set_num_threads(threads);
  tensor::seed_everything(3);
  const recipe::ModelConfig config = toy(architecture);
  const at::Tensor tokens = at::randint(0, config.vocabulary_size, {5, 80}, at::kLong);
  model::Decoder decoder = model::Decoder::random(config, 1);
  if (is_lora) {
    model::LoraConfig lora;
    lora.rank = 5;
    decoder.add_lora(lora, 2);
  }
  decoder.set_training_precision(precision);
  const auto parameters = decoder.trainable_parameters();
  const auto optimizer = optim::make_optimizer({}, parameters);
  for (int step = 0; step < 3; ++step) {
    for (const auto& parameter : parameters) {
      at::Tensor value = parameter.value;
      value.mutable_grad() = at::Tensor();
    }
    decoder.weights_changed();
    decoder.loss(tokens, tokens).backward();
    optimizer->step(1.0);
  }
  std::vector<at::Tensor> values;
  for (const auto& parameter : parameters) values.push_back(parameter.value.detach());
  return values;
}

using Case = std::tuple<recipe::Architecture, tensor::Precision, bool, kernels::cpu::Level>;
class NumberOfThreads : public testing::TestWithParam<Case> {
 protected:
  void TearDown() override {
    kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512BFloat16);
    tensor::set_num_threads(2);
  }
};

TEST_P(NumberOfThreads, ChangesNoBit) {
  const auto [architecture, precision, is_lora, level] = GetParam();
  kernels::cpu::set_level_for_test(level);
  const std::vector<at::Tensor> one = trained(architecture, precision, is_lora, 1);
  for (const int threads : {2, 5}) {
    const std::vector<at::Tensor> several = trained(architecture, precision, is_lora, threads);
    ASSERT_EQ(one.size(), several.size());
    for (std::size_t i = 0; i < one.size(); ++i)
      EXPECT_TRUE(at::equal(one[i], several[i])) << "parameter " << i << ", threads " << threads;
  }
}

// The second level leaves products to the libraries.
INSTANTIATE_TEST_SUITE_P(
    Training, NumberOfThreads,
    testing::Combine(testing::Values(recipe::Architecture::kGpt2, recipe::Architecture::kLlama),
                     testing::Values(tensor::Precision::kFloat32, tensor::Precision::kBFloat16),
                     testing::Bool(),
                     testing::Values(kernels::cpu::Level::kAvx512BFloat16,
                                     kernels::cpu::Level::kAvx512)));

}  // namespace
}  // namespace panal::train
