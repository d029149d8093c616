// Conversations teach what the assistant said and nothing else: one mean over the learned targets
// of a step, whatever batches, passes and processes they fall into.
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/token_mixture.h"
#include "data/token_shard.h"
#include "evaluate/evaluate.h"
#include "model/decoder.h"
#include "store/file_system.h"
#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"
#include "train/detail/trainer.h"

namespace panal::train {
namespace {

using testing::HasSubstr;

constexpr std::int32_t kVocabulary = 320;

// Documents of which stretches of very different length are learned.
data::TokenShard half_learned_shard(const std::filesystem::path& folder) {
  std::vector<data::TokenDocument> documents;
  for (int d = 0; d < 40; ++d) {
    data::TokenDocument document{.is_end_learned = d % 3 == 0};
    for (int i = 0; i < 60; ++i) {
      document.tokens.push_back((d * 31 + i * i * 7) % kVocabulary);
      document.is_learned.push_back(d % 2 == 0 ? i % 5 == 0 : i > 50);
    }
    documents.push_back(std::move(document));
  }
  const auto path = folder / ("half" + random_hex(4) + ".tokens");
  ok_or_throw(data::write_token_shard(store::posix_file_system(), path, kVocabulary, documents));
  return value_or_throw(data::TokenShard::open(path));
}

model::Decoder toy_decoder(const recipe::RunConfig& config) {
  recipe::ModelConfig dimensions = config.model.dimensions;
  dimensions.vocabulary_size = kVocabulary;
  return model::Decoder::random(dimensions, 7);
}

at::Tensor as_tensor(const std::vector<std::int32_t>& values, const recipe::RunConfig& config) {
  const std::vector<std::int64_t> wide(values.begin(), values.end());
  return at::tensor(wide, at::kLong).view({config.batch.sequences, config.batch.context});
}

// The mean over all learned targets of the first `batches` batches, one by one.
double naive_loss(const recipe::RunConfig& config, data::TokenMixture stream, int batches) {
  const model::Decoder decoder = toy_decoder(config);
  double sum = 0;
  std::int64_t count = 0;
  data::TokenBatch batch;
  for (int i = 0; i < batches; ++i) {
    ok_or_throw(stream.next(batch));
    const at::Tensor losses =
        decoder.token_losses(as_tensor(batch.tokens, config), as_tensor(batch.targets, config))
            .detach()
            .reshape({-1})
            .contiguous();
    for (std::size_t at = 0; at < batch.targets.size(); ++at) {
      if (batch.targets[at] == data::kNoTarget) continue;
      sum += losses.data_ptr<float>()[at];
      ++count;
    }
  }
  return sum / static_cast<double>(count);
}

recipe::RunConfig masked_config(const TestFolder& folder, const std::string& more = "") {
  std::string yaml = toy_yaml("precision: fp32\nlimits: {steps: 3}\n" + more);
  const std::string batch = "batch: {sequences: 4, context: 32}";
  yaml.replace(yaml.find(batch), batch.size(), "batch: {sequences: 4, context: 32, accumulate: 3}");
  return toy_config(folder.path(), yaml);
}

struct StepOutcome {
  double loss = 0;
  double gradient_norm = 0;
  std::vector<at::Tensor> weights = {};
};

StepOutcome one_step(const recipe::RunConfig& config, const data::TokenShard& shard,
                     swarm::Group* group = nullptr) {
  detail::Trainer trainer(config, toy_decoder(config), toy_stream(shard, config), group);
  const detail::StepResult result = trainer.step(detail::schedule_of(config, 3), 0);
  StepOutcome outcome{.loss = result.loss, .gradient_norm = result.gradient_norm};
  for (const auto& entry : trainer.trainable()) {
    outcome.weights.push_back(entry.value.detach().clone());
  }
  return outcome;
}

TEST(LearnedTokens, AStepsLossIsTheMeanOverLearnedTargetsOfAllItsPasses) {
  const TestFolder folder("learned_mean");
  const recipe::RunConfig config = masked_config(folder);
  const data::TokenShard shard = half_learned_shard(folder.path());
  const double wanted = naive_loss(config, toy_stream(shard, config), 3);
  EXPECT_NEAR(one_step(config, shard).loss, wanted, 1e-5 * wanted);  // float32 sums.
}

TEST(LearnedTokens, SeveralProcessesTakeTheStepThatOneTakes) {
  const TestFolder folder("learned_ranks");
  const recipe::RunConfig config = masked_config(folder, "parallel: {processes: 2}\n");
  const data::TokenShard shard = half_learned_shard(folder.path());
  const StepOutcome alone = one_step(config, shard);
  on_all_ranks(2, [&](swarm::Group& group) {
    const StepOutcome shared = one_step(config, shard, &group);
    EXPECT_NEAR(shared.loss, alone.loss, 1e-5 * alone.loss);
    EXPECT_NEAR(shared.gradient_norm, alone.gradient_norm, 1e-4 * alone.gradient_norm);
    ASSERT_EQ(shared.weights.size(), alone.weights.size());
    for (std::size_t i = 0; i < shared.weights.size(); ++i) {
      EXPECT_TRUE(at::allclose(shared.weights[i], alone.weights[i], 1e-3, 1e-4)) << i;
    }
  });
}

// The tokens after what is learned may be anything: they are read by nobody whose loss counts.
TEST(LearnedTokens, WhatIsNotLearnedIsNoTarget) {
  const TestFolder folder("learned_targets");
  recipe::RunConfig config = masked_config(folder);
  config.batch.accumulate = 1;
  config.batch.sequences = 1;
  const auto step_with = [&](std::int32_t unlearned) {
    data::TokenDocument document{.is_end_learned = false};
    for (int i = 0; i < 33; ++i) {
      document.tokens.push_back(i < 20 ? i : unlearned);
      document.is_learned.push_back(i < 20);
    }
    const auto path = folder.path() / ("one" + random_hex(4) + ".tokens");
    ok_or_throw(data::write_token_shard(store::posix_file_system(), path, kVocabulary,
                                        std::vector{document}));
    return one_step(config, value_or_throw(data::TokenShard::open(path)));
  };
  const StepOutcome one = step_with(30), other = step_with(300);
  EXPECT_EQ(one.loss, other.loss);
  EXPECT_EQ(one.gradient_norm, other.gradient_norm);
}

// A batch of one user's long turn teaches nothing and is passed over.
TEST(LearnedTokens, BatchesWithoutAnythingLearnedArePassedOver) {
  const TestFolder folder("learned_none");
  recipe::RunConfig config = masked_config(folder);
  config.batch.accumulate = 1;
  config.batch.sequences = 1;
  std::vector<data::TokenDocument> documents(1);
  documents[0].is_end_learned = false;
  for (int i = 0; i < 640; ++i) {
    documents[0].tokens.push_back(i % kVocabulary);
    documents[0].is_learned.push_back(i >= 600);
  }
  const auto path = folder.path() / "long.tokens";
  ok_or_throw(data::write_token_shard(store::posix_file_system(), path, kVocabulary, documents));
  const data::TokenShard shard = value_or_throw(data::TokenShard::open(path));
  EXPECT_GT(one_step(config, shard).loss, 1.0);
  documents[0].tokens.resize(650, 1);
  documents[0].is_learned.assign(650, false);
  documents[0].is_learned[649] = true;  // Behind the last whole window.
  ok_or_throw(data::write_token_shard(store::posix_file_system(), path, kVocabulary, documents));
  const data::TokenShard nothing = value_or_throw(data::TokenShard::open(path));
  EXPECT_THAT(capture([&] { one_step(config, nothing); }).message(),
              HasSubstr("nothing is learned in 10000 steps"));
}

TEST(LearnedTokens, EvaluationScoresThemAlone) {
  const TestFolder folder("learned_evaluation");
  const recipe::RunConfig config = masked_config(folder);
  const model::Decoder decoder = toy_decoder(config);
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> scored;
  for (int i = 0; i < 100; ++i) {
    tokens.push_back(i * i % kVocabulary);
    scored.push_back(i % 7 == 0 && i < 60 ? 1 : 0);
  }
  double sum = 0;
  std::int64_t count = 0;
  for (std::size_t begin = 0; begin < tokens.size(); begin += 16) {
    const std::size_t end = std::min(begin + 16, tokens.size());
    const std::vector<std::int64_t> window(tokens.begin() + std::ptrdiff_t(begin),
                                           tokens.begin() + std::ptrdiff_t(end));
    const at::Tensor all = at::tensor(window, at::kLong).view({1, -1});
    const auto length = static_cast<std::int64_t>(window.size());
    const at::Tensor losses = decoder.token_losses(all.narrow(1, 0, length - 1).contiguous(),
                                                   all.narrow(1, 1, length - 1).contiguous());
    for (std::size_t i = begin + 1; i < end; ++i) {
      if (scored[i] == 0) continue;
      sum += losses[0][static_cast<std::int64_t>(i - begin) - 1].item<double>();
      ++count;
    }
  }
  const auto found =
      evaluate::evaluate(decoder, tokens, {.context = 16, .batch = 2, .is_scored = scored}).value();
  EXPECT_EQ(found.tokens, count);
  EXPECT_EQ(found.windows, 4);  // Those after token 60 have none.
  EXPECT_NEAR(found.loss, sum / static_cast<double>(count), 1e-5);
  const std::vector<std::uint8_t> none(tokens.size());
  EXPECT_THAT(
      evaluate::evaluate(decoder, tokens, {.context = 16, .is_scored = none}).status().message(),
      HasSubstr("none of the 100 tokens is one that is scored"));
}

// A whole run over conversations, by an existing tokenizer with a template.
TEST(LearnedTokens, ARunOverConversationsSaysWhatItLearns) {
  const TestFolder folder("learned_run");
  const auto tokenizer_folder = folder.path() / "chat_tokenizer";
  std::filesystem::create_directories(tokenizer_folder);
  RecordingEvents making;
  ASSERT_TRUE(
      run_toy(toy_config(folder.path(), toy_yaml("limits: {steps: 1}\n"), "making"), making).ok());
  std::filesystem::copy(folder.path() / "making" / "tokenizer", tokenizer_folder,
                        std::filesystem::copy_options::recursive);
  write_text(tokenizer_folder / "chat_template.jinja",
             "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}"
             "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}");
  std::string lines;
  for (int i = 0; i < 200; ++i) {
    lines += "{\"messages\":[{\"role\":\"user\",\"content\":\"what does bee " + std::to_string(i) +
             " carry\"},{\"role\":\"assistant\",\"content\":\"honey " + std::to_string(i % 7) +
             "\"}]}\n";
  }
  lines += "{\"messages\":[{\"role\":\"user\",\"content\":\"nobody answers\"}]}\n";
  write_text(folder.path() / "chat.jsonl", lines);
  const auto config_of = [&](const std::string& train_on) {
    std::string yaml = toy_yaml("limits: {steps: 30}\n");
    const auto replace = [&](const std::string& from, const std::string& to) {
      yaml.replace(yaml.find(from), from.size(), to);
    };
    replace("tokenizer: {vocabulary_size: 320}", "tokenizer: {path: chat_tokenizer}");
    replace("path: text.txt", "path: chat.jsonl, train_on: " + train_on);
    return toy_config(folder.path(), yaml, train_on);
  };
  RecordingEvents events;
  const auto summary = run_toy(config_of("assistant"), events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_THAT(events.messages, HasSubstr("tokens are learned (assistant)"));
  EXPECT_THAT(events.messages, HasSubstr("1 conversation left out, the first: "));
  ASSERT_FALSE(events.evaluations.empty());
  EXPECT_LT(events.evaluations.back().loss, events.evaluations.front().loss);
  RecordingEvents all_events;
  const auto all = run_toy(config_of("all"), all_events);
  ASSERT_TRUE(all.ok()) << all.status().message();
  EXPECT_THAT(all_events.messages, HasSubstr("tokens are learned (all)"));
  EXPECT_GT(all_events.evaluations.back().tokens, 2 * events.evaluations.back().tokens);
}

}  // namespace
}  // namespace panal::train
