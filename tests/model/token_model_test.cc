// Serving gives what the plain forward pass gives, whatever is batched with whatever.
#include "model/token_model.h"

#include "base/error.h"
#include "base/rng.h"
#include "model/decoder.h"
#include "model/torch_token_model.h"
#include "tests/model/golden.h"

namespace panal::model {
namespace {

using test::golden_folder;

// 1e-4: float32 sums in another order over logits of size one to ten.
constexpr double kTolerance = 1e-4;

std::vector<std::int32_t> random_tokens(std::uint64_t seed, std::size_t count,
                                        std::int32_t vocabulary) {
  Rng rng(seed);
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary))));
  }
  return tokens;
}

/// The logits after the last token, by the training forward pass.
at::Tensor reference(const Decoder& decoder, std::span<const std::int32_t> tokens) {
  const at::NoGradGuard no_gradient;
  const at::Tensor input = tensor::tokens_from(tokens).unsqueeze(0);
  return decoder.forward(input)[0][static_cast<std::int64_t>(tokens.size()) - 1].clone();
}

double difference(std::span<const float> found, const at::Tensor& wanted) {
  return (tensor::tensor_from(found) - wanted).abs().max().item<double>();
}

class Served : public testing::TestWithParam<const char*> {};

// Prefill in pieces, then single tokens, with two sequences of different length in every batch.
TEST_P(Served, CachedRaggedStepsEqualTheFullForwardPass) {
  const Decoder decoder = value_or_throw(load_decoder(golden_folder(GetParam())));
  const auto model = value_or_throw(open_token_model(golden_folder(GetParam())));
  const std::int32_t V = model->vocabulary_size();
  const auto a = random_tokens(1, 20, V), b = random_tokens(2, 20, V);
  const std::int64_t first = value_or_throw(model->open_sequence("", 32));
  const std::int64_t second = value_or_throw(model->open_sequence("", 32));
  std::vector<float> logits(2 * static_cast<std::size_t>(V));
  const auto row = [&](std::size_t i) {
    return std::span<const float>(logits).subspan(i * static_cast<std::size_t>(V),
                                                  static_cast<std::size_t>(V));
  };
  std::size_t at_a = 0, at_b = 0;
  const std::pair<std::size_t, std::size_t> pieces[] = {{7, 1}, {1, 9}, {4, 3},
                                                        {1, 1}, {1, 1}, {6, 1}};
  for (const auto& [from_a, from_b] : pieces) {
    const SequenceStep steps[] = {{second, std::span(b).subspan(at_b, from_b)},
                                  {first, std::span(a).subspan(at_a, from_a)}};
    ok_or_throw(model->forward(steps, logits));
    at_a += from_a;
    at_b += from_b;
    EXPECT_LT(difference(row(0), reference(decoder, std::span(b).first(at_b))), kTolerance);
    EXPECT_LT(difference(row(1), reference(decoder, std::span(a).first(at_a))), kTolerance);
    EXPECT_EQ(model->sequence_length(first), static_cast<std::int64_t>(at_a));
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Served,
                         testing::Values("llama_tied", "llama_free_head", "llama_rope3",
                                         "llama_biases", "mistral", "qwen2", "qwen3",
                                         "qwen3_biases", "gpt2", "gpt2_relu2"),
                         [](const auto& info) { return std::string(info.param); });

class ServedAdapters : public testing::TestWithParam<const char*> {};

TEST_P(ServedAdapters, MixedInOneBatchEqualEachAlone) {
  const auto core = golden_folder(GetParam());
  const auto folder = golden_folder(std::string(GetParam()) + "_adapter");
  const Decoder plain = value_or_throw(load_decoder(core));
  Decoder adapted = value_or_throw(load_decoder(core));
  ok_or_throw(adapted.load_adapter(folder));
  Decoder other = value_or_throw(load_decoder(core));
  other.add_lora({.rank = 2, .alpha = 4, .targets = {}, .base_model_name = "x"}, 5);
  for (const auto& parameter : other.trainable_parameters()) {
    const at::NoGradGuard no_gradient;
    parameter.value.copy_(at::randn_like(parameter.value) * 0.3);
  }
  const test::TemporaryFolder temporary;
  ok_or_throw(other.save_adapter(temporary.path()));
  const auto model =
      value_or_throw(open_token_model(core, {{"one", folder}, {"two", temporary.path()}}));
  const std::int32_t V = model->vocabulary_size();
  const Decoder* decoders[] = {&adapted, &plain, &other, &adapted};
  const char* names[] = {"one", "", "two", "one"};
  const std::size_t lengths[] = {3, 11, 12, 1};
  std::vector<std::vector<std::int32_t>> tokens;
  std::vector<SequenceStep> steps;
  for (std::size_t i = 0; i < 4; ++i) {
    tokens.push_back(random_tokens(10 + i, lengths[i] + 2, V));
    steps.push_back({value_or_throw(model->open_sequence(names[i], 32)), {}});
  }
  std::vector<float> logits(4 * static_cast<std::size_t>(V));
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 4; ++i) {
      steps[i].tokens = round == 0 ? std::span(tokens[i]).first(lengths[i])
                                   : std::span(tokens[i]).subspan(lengths[i] + round - 1, 1);
    }
    ok_or_throw(model->forward(steps, logits));
    for (std::size_t i = 0; i < 4; ++i) {
      const auto row = std::span<const float>(logits).subspan(i * static_cast<std::size_t>(V),
                                                              static_cast<std::size_t>(V));
      const auto seen = std::span(tokens[i]).first(lengths[i] + round);
      EXPECT_LT(difference(row, reference(*decoders[i], seen)), kTolerance) << i << " " << round;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, ServedAdapters, testing::Values("llama_tied", "gpt2"),
                         [](const auto& info) { return std::string(info.param); });

class Refused : public testing::Test {
 protected:
  std::unique_ptr<TokenModel> model_ = value_or_throw(
      open_token_model(golden_folder("llama_tied"), {{"law", golden_folder("llama_tied_adapter")}},
                       {.max_sequences = 2}));
  std::vector<float> logits_ =
      std::vector<float>(static_cast<std::size_t>(model_->vocabulary_size()));
};

TEST_F(Refused, AnUnknownAdapterNamesTheKnownOnes) {
  const auto opened = model_->open_sequence("cooking", 4);
  EXPECT_EQ(opened.code(), Code::kNotFound);
  EXPECT_THAT(opened.status().message(), testing::HasSubstr("law"));
}

TEST_F(Refused, ABoundBeyondTheContextAndTooManySequences) {
  EXPECT_EQ(model_->open_sequence("", 33).code(), Code::kInvalidArgument);
  EXPECT_EQ(model_->open_sequence("", 0).code(), Code::kInvalidArgument);
  const std::int64_t first = value_or_throw(model_->open_sequence("", 4));
  ASSERT_TRUE(model_->open_sequence("law", 4).ok());
  EXPECT_EQ(model_->open_sequence("", 4).code(), Code::kResourceExhausted);
  model_->close_sequence(first);
  EXPECT_TRUE(model_->open_sequence("", 4).ok());
}

TEST_F(Refused, AStepThatDoesNotFitChangesNoSequence) {
  const std::int64_t small = value_or_throw(model_->open_sequence("", 2));
  const std::int64_t large = value_or_throw(model_->open_sequence("", 8));
  const std::vector<std::int32_t> tokens = {1, 2, 3};
  logits_.resize(logits_.size() * 2);
  const SequenceStep steps[] = {{large, tokens}, {small, tokens}};
  EXPECT_EQ(model_->forward(steps, logits_).code(), Code::kResourceExhausted);
  EXPECT_EQ(model_->sequence_length(large), 0);
  EXPECT_EQ(model_->sequence_length(small), 0);
}

TEST_F(Refused, TokensOutsideTheVocabularyEmptyStepsStrangersAndTwins) {
  const std::int64_t sequence = value_or_throw(model_->open_sequence("", 8));
  const auto refused = [&](std::vector<SequenceStep> steps) {
    std::vector<float> logits(steps.size() * logits_.size());
    return model_->forward(steps, logits).code();
  };
  const std::vector<std::int32_t> good = {1}, negative = {-1}, large = {43};
  EXPECT_EQ(refused({{sequence, negative}}), Code::kInvalidArgument);
  EXPECT_EQ(refused({{sequence, large}}), Code::kInvalidArgument);
  EXPECT_EQ(refused({{sequence, {}}}), Code::kInvalidArgument);
  EXPECT_EQ(refused({{sequence + 7, good}}), Code::kNotFound);
  EXPECT_EQ(refused({{sequence, good}, {sequence, good}}), Code::kInvalidArgument);
  const SequenceStep step{sequence, good};
  EXPECT_EQ(model_->forward({&step, 1}, std::span(logits_).first(3)).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(model_->sequence_length(sequence), 0);
}

TEST(OpenTokenModel, AdapterNamesAreUniqueAndNotEmpty) {
  const auto core = golden_folder("llama_tied"), adapter = golden_folder("llama_tied_adapter");
  EXPECT_EQ(open_token_model(core, {{"", adapter}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(open_token_model(core, {{"a", adapter}, {"a", adapter}}).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::model
