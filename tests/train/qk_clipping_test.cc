// QK-clip on whole models: it finds every head's weights, and what it bounds is what the next
// forward pass sees.
#include "train/detail/qk_clipping.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "model/decoder.h"
#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

constexpr std::int64_t kContext = 16;
constexpr double kThreshold = 5;

recipe::ModelConfig small_model(recipe::Architecture architecture) {
  recipe::ModelConfig config;
  config.architecture = architecture;
  config.vocabulary_size = 64;
  config.context_length = kContext;
  config.layers = 2;
  config.width = 32;
  config.heads = 4;
  config.key_value_heads = architecture == recipe::Architecture::kGpt2 ? 4 : 2;
  config.head_width = 8;
  config.feed_forward_width = 64;
  if (architecture == recipe::Architecture::kGpt2) config.tied_embeddings = true;
  return config;
}

float largest_of(const std::vector<std::vector<float>>& maxima, std::size_t layer) {
  return std::ranges::max(maxima[layer]);
}

TEST(QkClipping, BoundsTheNextLogitsAndLeavesTheOthersAlone) {
  for (const auto architecture : {recipe::Architecture::kLlama, recipe::Architecture::kGpt2}) {
    const auto config = small_model(architecture);
    model::Decoder decoder = model::Decoder::random(config, 3);
    const auto parameters = decoder.trainable_parameters();
    // Layer 1 is the one whose logits are out of hand.
    for (const auto& entry : parameters) {
      const bool is_attention = entry.name.find(".1.") != std::string::npos &&
                                (entry.name.find("_proj.weight") != std::string::npos ||
                                 entry.name.find("c_attn.weight") != std::string::npos);
      if (is_attention && entry.name.find("mlp") == std::string::npos)
        entry.value.detach().mul_(40);
    }
    const auto optimizer = optim::make_optimizer({}, parameters);
    detail::QkClipping clipping({.threshold = kThreshold}, config, parameters, *optimizer);
    at::manual_seed(5);
    const at::Tensor tokens = at::randint(64, {2, kContext}, at::kLong);
    const at::NoGradGuard no_gradients;
    decoder.loss(tokens, tokens);
    const auto before = decoder.attention_maxima();
    ASSERT_GT(largest_of(before, 1), 2 * kThreshold);
    ASSERT_LT(largest_of(before, 0), kThreshold);
    clipping.note(before);
    EXPECT_GT(clipping.clip(), 0);
    decoder.loss(tokens, tokens);
    const auto after = decoder.attention_maxima();
    EXPECT_EQ(after[0], before[0]);
    EXPECT_LE(largest_of(after, 1), kThreshold + std::log(static_cast<double>(kContext)));
    // What was noted is forgotten.
    EXPECT_EQ(clipping.clip(), 0);
  }
}

TEST(QkClipping, ARunSaysHowManyHeadsItClipped) {
  const TestFolder folder("qk_clip");
  write_text(folder.path() / "text.txt", toy_text(60));
  std::string yaml = toy_yaml();
  const std::string rule = "rule: muon, ";
  yaml.replace(yaml.find(rule), rule.size(), rule + "qk_clip: {threshold: 3.5}, ");
  RecordingEvents events;
  const auto summary = run_toy(toy_config(folder.path(), yaml), events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_NE(read_text(folder.path() / "run" / "metrics.jsonl").find("\"qk_clipped\":"),
            std::string::npos);
}

// Of rounded weights only the rank that updates a tensor knows the exact values: the others get
// what clipping made of them.
TEST(QkClipping, RanksClipWeightsThatOnlyOneOfThemKnowsExactly) {
  const TestFolder folder("qk_clip_ranks");
  const auto config_of = [&](int ranks) {
    std::string yaml =
        toy_yaml("limits: {steps: 8}\n") +
        "precision: bf16\nmemory: {weights: bf16}\nparallel: {processes: " + std::to_string(ranks) +
        "}\n";
    const std::string rule = "rule: muon, ";
    yaml.replace(yaml.find(rule), rule.size(), rule + "qk_clip: {threshold: 1.5}, ");
    return toy_config(folder.path(), yaml, "run" + std::to_string(ranks), with_bfloat16());
  };
  RecordingEvents alone, together;
  const auto summary = run_toy(config_of(1), alone);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  for (const Status& outcome : run_on_ranks(config_of(2), together)) {
    ASSERT_TRUE(outcome.ok()) << outcome.message();
  }
  for (const char* run : {"run1", "run2"}) {
    EXPECT_NE(read_text(folder.path() / run / "metrics.jsonl").find("\"qk_clipped\":"),
              std::string::npos)
        << run;
  }
  ASSERT_EQ(alone.steps.size(), 8u);
  ASSERT_EQ(together.steps.size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) {
    // Gradients of other parts of the batch are rounded, to the 8 bits of bfloat16.
    EXPECT_NEAR(alone.steps[i].loss.value(), together.steps[i].loss.value(), 0.02) << i;
  }
}

TEST(QkClipping, IsRefusedWhereItHasNoUse) {
  std::string yaml = toy_yaml();
  yaml.replace(yaml.find("width: 32"), 9, "qk_norm: true, width: 32");
  yaml.replace(yaml.find("rule: muon, "), 12, "rule: muon, qk_clip: {}, ");
  const Status status = recipe::parse_run_config(yaml, "run.yaml").status();
  EXPECT_NE(status.message().find("model.qk_norm"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace panal::train
