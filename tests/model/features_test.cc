// Every combination of a model's features: gradients against finite differences, serving against
// the training pass, saving and loading, adapters over all of it.
#include <fmt/format.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "base/rng.h"
#include "model/decoder.h"
#include "model/torch_token_model.h"
#include "tests/model/golden.h"

namespace panal::model {
namespace {

std::uint64_t fresh_seed() {
  const char* given = std::getenv("PANAL_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::uint64_t{std::random_device()()};
  std::printf("seed %llu (PANAL_TEST_SEED repeats it)\n", static_cast<unsigned long long>(seed));
  return seed;
}

ModelConfig random_config(Rng& rng) {
  const auto coin = [&] { return rng.below(2) == 1; };
  const Activation activations[] = {Activation::kUsual, Activation::kGelu,
                                    Activation::kReluSquared};
  ModelConfig config;
  config.architecture = rng.below(3) == 0 ? Architecture::kGpt2 : Architecture::kLlama;
  config.vocabulary_size = 37;
  config.layers = 2;
  config.heads = 4;
  config.head_width = 6;
  config.width = 24;
  config.feed_forward_width = 40;
  config.context_length = 24;
  config.tied_embeddings = coin();
  config.logit_soft_cap = coin() ? 2.5 : 0.0;
  if (config.architecture == Architecture::kGpt2) {
    config.key_value_heads = config.heads;
    config.attention_bias = true;
    config.activation = coin() ? Activation::kUsual : Activation::kReluSquared;
    return config;
  }
  config.key_value_heads = std::int64_t{1} << rng.below(3);
  config.activation = activations[rng.below(3)];
  config.qk_norm = coin();
  config.attention_bias = coin();
  config.attention_output_bias = config.attention_bias && coin();
  if (coin()) {
    config.rope_scaling.kind = RopeScaling::Kind::kLinear;
    config.rope_scaling.factor = 2.0;
  }
  return config;
}

// Parameters away from their starts, so that a norm or bias that is not applied shows.
Decoder shaken(const ModelConfig& config, std::uint64_t seed) {
  Decoder decoder = Decoder::random(config, seed);
  at::manual_seed(seed);
  const at::NoGradGuard no_gradient;
  for (const auto& [name, value] : decoder.parameters()) {
    value.add_(at::randn_like(value) * (value.dim() == 1 ? 0.2 : 0.25));
  }
  return decoder;
}

std::string shown(const ModelConfig& config) {
  return config_to_hugging_face(config, "float32").dump();
}

// Along the gradient itself the loss grows by its squared norm: one number for all parameters.
void expect_gradient_of_finite_differences(Decoder& decoder, const at::Tensor& tokens,
                                           const at::Tensor& targets) {
  decoder.loss(tokens, targets).backward();
  double squared = 0;
  std::vector<at::Tensor> directions;
  for (const auto& [name, value] : decoder.trainable_parameters()) {
    ASSERT_TRUE(value.grad().defined()) << name;
    directions.push_back(value.grad().clone());
    squared += value.grad().to(at::kDouble).square().sum().item<double>();
  }
  const at::NoGradGuard no_gradient;
  const double step = 1e-2 / std::sqrt(squared);
  const auto move = [&](double by) {
    const auto parameters = decoder.trainable_parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      at::Tensor value = parameters[i].value;
      value.add_(directions[i], by);
    }
    // Summed in double: the mean of float32 losses has too few digits to subtract.
    return decoder.token_losses(tokens, targets).to(at::kDouble).mean().item<double>();
  };
  const double above = move(step), below = move(-2 * step);
  move(step);
  // 1e-2: third derivatives over the step, and float32 losses of size 4 divided by the step.
  EXPECT_NEAR((above - below) / (2 * step) / squared, 1.0, 1e-2);
}

TEST(Features, GradientsOfRandomModelsEqualFiniteDifferences) {
  const std::uint64_t seed = fresh_seed();
  Rng rng(seed);
  for (int round = 0; round < 40; ++round) {
    const ModelConfig config = random_config(rng);
    SCOPED_TRACE(shown(config));
    Decoder decoder = shaken(config, seed + static_cast<std::uint64_t>(round));
    const at::Tensor tokens = at::randint(0, 37, {2, 11}, at::kLong);
    expect_gradient_of_finite_differences(decoder, tokens, at::randint(0, 37, {2, 11}, at::kLong));
  }
}

// Saved, loaded and served token by token, alone and under an adapter over every linear layer.
TEST(Features, ServingRandomModelsEqualsTheTrainingPassAtEveryToken) {
  const std::uint64_t seed = fresh_seed();
  Rng rng(seed);
  for (int round = 0; round < 20; ++round) {
    const ModelConfig config = random_config(rng);
    SCOPED_TRACE(shown(config));
    Decoder decoder = shaken(config, seed + static_cast<std::uint64_t>(round));
    const test::TemporaryFolder core, adapter;
    ok_or_throw(decoder.save_hugging_face(core.path()));
    EXPECT_EQ(value_or_throw(load_decoder(core.path())).config(), config);
    const at::Tensor tokens = at::randint(0, 37, {1, 12}, at::kLong);
    const at::Tensor plain = decoder.forward(tokens).detach();
    if (config.logit_soft_cap > 0) {
      EXPECT_LE(plain.abs().max().item<double>(), config.logit_soft_cap);
    }
    decoder.add_lora({.rank = 3, .alpha = 6, .targets = {}, .base_model_name = "core"}, seed);
    {
      const at::NoGradGuard no_gradient;
      for (const auto& [name, value] : decoder.trainable_parameters())
        value.copy_(at::randn_like(value) * 0.2);
    }
    ok_or_throw(decoder.save_adapter(adapter.path()));
    const at::Tensor adapted = decoder.forward(tokens).detach();
    EXPECT_GT((adapted - plain).abs().max().item<double>(), 1e-3);
    const auto model = value_or_throw(open_token_model(core.path(), {{"over", adapter.path()}}));
    std::vector<float> logits(37);
    for (const char* name : {"", "over"}) {
      const at::Tensor& wanted = *name == '\0' ? plain : adapted;
      const std::int64_t sequence = value_or_throw(model->open_sequence(name, 16));
      // Three at once, then one by one: both of serving's attentions.
      for (std::int64_t seen = 3, from = 0; seen <= 12; from = seen, ++seen) {
        std::vector<std::int32_t> piece;
        for (std::int64_t i = from; i < seen; ++i)
          piece.push_back(static_cast<std::int32_t>(tokens[0][i].item<std::int64_t>()));
        const SequenceStep steps[] = {{sequence, piece}};
        ok_or_throw(model->forward(steps, logits));
        const at::Tensor found = tensor::tensor_from(std::span<const float>(logits));
        // 2e-4: float32 sums in another order over logits of size one to ten.
        EXPECT_LT((found - wanted[0][seen - 1]).abs().max().item<double>(), 2e-4)
            << name << " after " << seen;
      }
      model->close_sequence(sequence);
    }
    expect_gradient_of_finite_differences(decoder, tokens, at::randint(0, 37, {1, 12}, at::kLong));
  }
}

}  // namespace
}  // namespace panal::model
