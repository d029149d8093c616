// The presets have the sizes that were published for them.
#include "recipe/presets.h"

#include <gtest/gtest.h>

#include <set>

namespace panal::recipe {
namespace {

std::int64_t parameters(std::string_view name) {
  const Preset* preset = find_preset(name);
  return preset == nullptr ? 0 : preset->config.num_parameters();
}

// Sums of the tensors in the released checkpoints (gpt2, gpt2-medium, gpt2-large, gpt2-xl,
// Llama-3.1-8B), the tied head counted once.
TEST(Presets, ReleasedModelsHaveTheirPublishedNumberOfParameters) {
  EXPECT_EQ(parameters("gpt2-124m"), 124'439'808);
  EXPECT_EQ(parameters("gpt2-355m"), 354'823'168);
  EXPECT_EQ(parameters("gpt2-774m"), 774'030'080);
  EXPECT_EQ(parameters("gpt2-1.5b"), 1'557'611'200);
  EXPECT_EQ(parameters("llama-8b"), 8'030'261'248);
}

TEST(Presets, TheNameSaysTheSizeOfTheOthers) {
  EXPECT_NEAR(static_cast<double>(parameters("llama-0.2b")), 0.2e9, 0.01e9);
  EXPECT_NEAR(static_cast<double>(parameters("llama-0.5b")), 0.5e9, 0.05e9);
  EXPECT_NEAR(static_cast<double>(parameters("llama-1.4b")), 1.4e9, 0.05e9);
}

TEST(Presets, EachIsValidAndNamedOnce) {
  std::set<std::string> names;
  for (const Preset& preset : presets()) {
    EXPECT_TRUE(validate(preset.config).ok()) << preset.name;
    EXPECT_EQ(preset.config.heads * preset.config.head_width, preset.config.width) << preset.name;
    EXPECT_TRUE(names.insert(std::string(preset.name)).second) << preset.name;
    EXPECT_EQ(find_preset(preset.name), &preset);
  }
  EXPECT_EQ(preset_names().size(), 8u);
  EXPECT_EQ(find_preset("gpt2-7b"), nullptr);
}

// 85.0 M in the layers and 38.6 M in the head; attention at 1,024 tokens adds 12 L H Q T.
TEST(Presets, FlopsPerTokenFollowPalm) {
  const ModelConfig& config = find_preset("gpt2-124m")->config;
  EXPECT_EQ(config.num_matrix_parameters(), 12LL * 12 * 768 * 768 + 50257LL * 768);
  EXPECT_DOUBLE_EQ(config.training_flops_per_token(1024),
                   6.0 * (12.0 * 12 * 768 * 768 + 50257.0 * 768) + 12.0 * 12 * 768 * 1024);
}

}  // namespace
}  // namespace panal::recipe
