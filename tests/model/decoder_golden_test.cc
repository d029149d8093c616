// Forward, loss and every gradient equal PyTorch's on tiny random models of each architecture.
#include "base/error.h"
#include "model/decoder.h"
#include "tests/model/golden.h"

namespace panal::model {
namespace {

using test::golden_folder;
using test::read_golden;
using test::worst;

// 1e-5: float32 sums in another order, relative to the largest value.
constexpr double kTolerance = 1e-5;

class DecoderGolden : public testing::TestWithParam<const char*> {};

TEST_P(DecoderGolden, LogitsLossAndEveryGradientEqualPyTorch) {
  const auto golden = read_golden(golden_folder(GetParam()) / "expected.safetensors");
  auto loaded = load_decoder(golden_folder(GetParam()));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  Decoder& decoder = *loaded;
  decoder.set_core_trainable(true);
  const at::Tensor tokens = golden.at("tokens"), targets = golden.at("targets");
  EXPECT_LT(worst(decoder.forward(tokens), golden.at("logits")), kTolerance);
  const at::Tensor loss = decoder.loss(tokens, targets);
  EXPECT_LT(worst(loss.view({1}), golden.at("loss")), kTolerance);
  loss.backward();
  std::size_t gradients = 0;
  for (const tensor::NamedTensor& parameter : decoder.parameters()) {
    ASSERT_TRUE(golden.contains("gradient." + parameter.name)) << parameter.name;
    ASSERT_TRUE(parameter.value.grad().defined()) << parameter.name;
    EXPECT_LT(worst(parameter.value.grad(), golden.at("gradient." + parameter.name)),
              2 * kTolerance)
        << parameter.name;
    ++gradients;
  }
  EXPECT_EQ(gradients + 4, golden.size());
}

TEST_P(DecoderGolden, LossesPerTokenAverageToTheLoss) {
  const auto golden = read_golden(golden_folder(GetParam()) / "expected.safetensors");
  const Decoder decoder = value_or_throw(load_decoder(golden_folder(GetParam())));
  const at::Tensor losses = decoder.token_losses(golden.at("tokens"), golden.at("targets"));
  const at::Tensor scored = golden.at("targets") != -100;
  EXPECT_EQ(losses.sizes(), scored.sizes());
  EXPECT_EQ(losses.masked_select(scored.logical_not()).abs().sum().item<double>(), 0.0);
  EXPECT_NEAR(losses.sum().item<double>() / scored.sum().item<double>(),
              golden.at("loss").item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Architectures, DecoderGolden,
                         testing::Values("llama_tied", "llama_free_head", "llama_rope3",
                                         "llama_rope_linear", "llama_biases", "mistral", "qwen2",
                                         "qwen3", "qwen3_biases", "gpt2", "gpt2_relu2"),
                         [](const auto& info) { return std::string(info.param); });

class AdapterGolden : public testing::TestWithParam<const char*> {};

// The adapter was written by peft, which also computed the numbers.
TEST_P(AdapterGolden, AnAdapterOfPeftGivesItsLogitsAndGradientsAndTouchesNoCoreGradient) {
  const auto folder = golden_folder(std::string(GetParam()) + "_adapter");
  const auto golden = read_golden(folder / "expected.safetensors");
  Decoder decoder = value_or_throw(load_decoder(golden_folder(GetParam())));
  const Status status = decoder.load_adapter(folder);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_LT(worst(decoder.forward(golden.at("tokens")), golden.at("logits")), kTolerance);
  const at::Tensor loss = decoder.loss(golden.at("tokens"), golden.at("targets"));
  EXPECT_LT(worst(loss.view({1}), golden.at("loss")), kTolerance);
  loss.backward();
  std::size_t gradients = 0;
  for (const tensor::NamedTensor& parameter : decoder.trainable_parameters()) {
    ASSERT_TRUE(golden.contains("gradient." + parameter.name)) << parameter.name;
    EXPECT_LT(worst(parameter.value.grad(), golden.at("gradient." + parameter.name)),
              2 * kTolerance)
        << parameter.name;
    ++gradients;
  }
  EXPECT_EQ(gradients + 4, golden.size());
  for (const tensor::NamedTensor& parameter : decoder.parameters()) {
    EXPECT_FALSE(parameter.value.grad().defined()) << parameter.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, AdapterGolden, testing::Values("llama_tied", "gpt2"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace panal::model
