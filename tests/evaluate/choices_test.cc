// Multiple choice against a loop that looks at one choice at a time, and against what
// lm-evaluation-harness says of the same model and questions (tools/goldens/choices.py).
#include "evaluate/choices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/rng.h"
#include "model/decoder.h"
#include "tensor/named_tensor.h"
#include "tensor/runtime.h"
#include "tests/recipe/toy_model.h"
#include "tests/toy_text.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_trainer.h"

namespace panal::evaluate {
namespace {

using testing::HasSubstr;

tokenizer::Tokenizer toy_tokenizer() {
  const std::string text = toy_text(30);
  const std::vector<std::string_view> views = {text};
  tokenizer::TokenizerTrainerOptions options;
  options.vocabulary_size = 300;
  return tokenizer::train_tokenizer(views, options).value();
}

model::Decoder toy_decoder() { return model::Decoder::random(recipe::toy_model(300, 24), 5); }

std::string random_words(Rng& rng, std::uint64_t most) {
  std::string text;
  for (std::uint64_t words = 1 + rng.below(most); words > 0; --words) {
    if (!text.empty()) text += ' ';
    for (std::uint64_t i = 1 + rng.below(4); i > 0; --i)
      text += static_cast<char>('a' + rng.below(26));
  }
  return text;
}

std::vector<data::ChoiceItem> random_items(std::uint64_t seed) {
  Rng rng(seed);
  std::vector<data::ChoiceItem> items;
  for (int i = 0; i < 25; ++i) {
    data::ChoiceItem item;
    item.context = random_words(rng, 12);
    for (std::uint64_t c = 2 + rng.below(3); c > 0; --c)
      item.choices.push_back(random_words(rng, 3));
    // Equal choices, and one that begins another: computed once, scored twice.
    item.choices.push_back(item.choices.front());
    item.choices.push_back(item.choices.front() + " more");
    item.gold = static_cast<std::int64_t>(rng.below(item.choices.size()));
    item.subject = i % 2 == 0 ? "even" : "odd";
    item.line = i + 1;
    items.push_back(std::move(item));
  }
  return items;
}

double by_hand(const model::Decoder& decoder, const data::EncodedChoice& choice,
               std::size_t context) {
  std::vector<std::int64_t> tokens(choice.tokens.begin(), choice.tokens.end());
  if (tokens.size() > context + 1)
    tokens.erase(tokens.begin(), tokens.end() - static_cast<std::ptrdiff_t>(context) - 1);
  const auto input = at::tensor(tokens, at::kLong).unsqueeze(0).slice(1, 0, -1);
  const auto logs = at::log_softmax(decoder.forward(input).to(at::kDouble), -1);
  double sum = 0;
  for (std::size_t i = tokens.size() - choice.scored; i < tokens.size(); ++i)
    sum += logs[0][static_cast<std::int64_t>(i) - 1][tokens[i]].item<double>();
  return sum;
}

TEST(Choices, EqualANaiveLoopWhateverTheBatch) {
  const std::uint64_t seed = 11;
  SCOPED_TRACE(seed);
  const auto decoder = toy_decoder();
  const auto tokenizer = toy_tokenizer();
  const auto items = random_items(seed);
  std::size_t longest = 0;
  for (const std::int64_t batch_tokens : {1, 100, 100000}) {
    const auto scores = score_choices(decoder, tokenizer, items, {.batch_tokens = batch_tokens});
    ASSERT_TRUE(scores.ok()) << scores.status().message();
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto encoded = data::encode_choices(tokenizer, items[i], "task").value();
      for (std::size_t c = 0; c < encoded.size(); ++c) {
        longest = std::max(longest, encoded[c].tokens.size());
        EXPECT_NEAR(scores->at(i).log_likelihoods[c], by_hand(decoder, encoded[c], 24), 1e-4)
            << i << " " << c;  // float32 sums of up to 10 tokens.
        EXPECT_EQ(scores->at(i).tokens[c], static_cast<std::int64_t>(encoded[c].scored));
      }
    }
  }
  EXPECT_GT(longest, 25U);  // Some lost their beginning.
}

// Logits of a fresh model are small: with a larger embedding, which is the head too, they bend.
model::Decoder decoder_with_cap(double cap) {
  recipe::ModelConfig config = toy_decoder().config();
  config.logit_soft_cap = cap;
  model::Decoder decoder = model::Decoder::random(config, 5);
  const at::NoGradGuard no_gradients;
  for (const auto& entry : decoder.parameters()) {
    if (entry.name == "model.embed_tokens.weight") entry.value.mul_(20);
  }
  return decoder;
}

TEST(Choices, AreScoredWithTheCapOfTheLogits) {
  const auto decoder = decoder_with_cap(1.0);
  const auto tokenizer = toy_tokenizer();
  const auto items = random_items(12);
  const auto scores = score_choices(decoder, tokenizer, items, {}).value();
  const auto uncapped = score_choices(decoder_with_cap(0), tokenizer, items, {}).value();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto encoded = data::encode_choices(tokenizer, items[i], "task").value();
    EXPECT_NEAR(scores[i].log_likelihoods[0], by_hand(decoder, encoded[0], 24), 1e-4) << i;
    EXPECT_GT(std::abs(scores[i].log_likelihoods[0] - uncapped[i].log_likelihoods[0]), 0.1) << i;
  }
}

// What W + scale * B A would be, put into the weights of a model without an adapter.
model::Decoder merged(const recipe::ModelConfig& config, const model::Decoder& adapted) {
  const at::NoGradGuard no_gradients;
  model::Decoder decoder = model::Decoder::random(config, 5);
  std::map<std::string, at::Tensor> weights;
  for (const auto& entry : decoder.parameters()) weights[entry.name] = entry.value;
  const auto pairs = adapted.trainable_parameters();
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    const std::string prefix = "base_model.model.", suffix = ".lora_A.weight";
    const std::string module =
        pairs[i].name.substr(prefix.size(), pairs[i].name.size() - prefix.size() - suffix.size());
    const at::Tensor change = at::mm(pairs[i + 1].value, pairs[i].value) *
                              (adapted.lora()->alpha / static_cast<double>(adapted.lora()->rank));
    const bool is_in_out = config.architecture == recipe::Architecture::kGpt2;
    weights.at(module + ".weight").add_(is_in_out ? change.t() : change);
  }
  return decoder;
}

TEST(Choices, AnAdapterScoresAsTheModelItIsMergedInto) {
  const TestFolder folder("choices_adapter");
  const auto tokenizer = toy_tokenizer();
  const auto items = random_items(13);
  for (const auto architecture : {recipe::Architecture::kLlama, recipe::Architecture::kGpt2}) {
    SCOPED_TRACE(recipe::architecture_name(architecture));
    recipe::ModelConfig config = toy_decoder().config();
    config.architecture = architecture;
    config.attention_bias = architecture == recipe::Architecture::kGpt2;
    model::Decoder decoder = model::Decoder::random(config, 5);
    const auto plain = score_choices(decoder, tokenizer, items, {}).value();
    decoder.add_lora({.rank = 4, .alpha = 8, .targets = {}, .base_model_name = ""}, 3);
    EXPECT_EQ(score_choices(decoder, tokenizer, items, {}).value().at(3).log_likelihoods,
              plain[3].log_likelihoods)
        << "B is zero at first";
    {
      const at::NoGradGuard no_gradients;
      tensor::seed_everything(13);
      for (const auto& entry : decoder.trainable_parameters()) entry.value.normal_(0, 0.2);
    }
    const auto adapted = score_choices(decoder, tokenizer, items, {}).value();
    const auto expected = score_choices(merged(config, decoder), tokenizer, items, {}).value();
    const auto path = folder.path() / recipe::architecture_name(architecture);
    ok_or_throw(decoder.save_adapter(path));
    model::Decoder loaded = model::Decoder::random(config, 5);
    ok_or_throw(loaded.load_adapter(path));
    const auto again = score_choices(loaded, tokenizer, items, {}).value();
    double largest = 0;  // Change by the adapter.
    for (std::size_t i = 0; i < items.size(); ++i) {
      EXPECT_EQ(again[i].log_likelihoods, adapted[i].log_likelihoods) << i;
      largest =
          std::max(largest, std::abs(adapted[i].log_likelihoods[0] - plain[i].log_likelihoods[0]));
      for (std::size_t c = 0; c < items[i].choices.size(); ++c) {
        EXPECT_NEAR(adapted[i].log_likelihoods[c], expected[i].log_likelihoods[c], 1e-3)
            << i << " " << c;  // float32 sums in another order.
      }
    }
    EXPECT_GT(largest, 0.1);
  }
}

TEST(Choices, ChooseTheFirstOfEqualsByEachRule) {
  const data::ChoiceItem item = {.context = "x",
                                 .choices = {"ab", "éé", "abcdefgh", "ab"},
                                 .gold = 2,
                                 .subject = "",
                                 .line = 1};
  const Chosen found = chosen(item, {.log_likelihoods = {-2, -3, -4, -2}, .tokens = {1, 1, 1, 1}});
  EXPECT_EQ(found.plain, 0);      // -2, -3, -4, -2
  EXPECT_EQ(found.norm, 2);       // -1, -1.5, -0.5, -1
  EXPECT_EQ(found.byte_norm, 2);  // -1, -0.75, -0.5, -1
  const Chosen other = chosen(item, {.log_likelihoods = {-2, -3, -9, -2}, .tokens = {1, 1, 1, 1}});
  EXPECT_EQ(other.norm, 0);       // -1, -1.5, -1.125, -1
  EXPECT_EQ(other.byte_norm, 1);  // -1, -0.75, -1.125, -1
}

TEST(Choices, SummariseWithStandardErrorsAndSubjects) {
  std::vector<data::ChoiceItem> items;
  std::vector<ChoiceScores> scores;
  for (int i = 0; i < 4; ++i) {
    items.push_back({.context = "x",
                     .choices = {"a", "b"},
                     .gold = i == 3 ? 1 : 0,
                     .subject = i < 3 ? "one" : "two",
                     .line = i});
    scores.push_back({.log_likelihoods = {-1, -2}, .tokens = {1, 1}});
  }
  const work::ChoiceSummary summary = summarise_choices(items, scores);
  EXPECT_DOUBLE_EQ(summary.all.acc.mean, 0.75);
  EXPECT_DOUBLE_EQ(summary.all.acc.standard_error.value(),
                   0.25);  // sqrt((3 / 16 + 9 / 16) / 3 / 4)
  EXPECT_DOUBLE_EQ(summary.macro_acc.value(), 0.5);
  ASSERT_EQ(summary.subjects.size(), 2U);
  EXPECT_EQ(summary.subjects.at("one").items, 3);
  EXPECT_EQ(summary.subjects.at("two").acc.standard_error, std::nullopt);
}

TEST(Choices, RefuseWhatCannotBeScored) {
  const auto decoder = toy_decoder();
  const auto tokenizer = toy_tokenizer();
  std::vector<data::ChoiceItem> items = random_items(3);
  EXPECT_THAT(score_choices(decoder, tokenizer, items, {.context = 25}).status().message(),
              HasSubstr("2 to 24"));
  items[4].choices[1] = std::string(200, 'q');
  EXPECT_THAT(
      score_choices(decoder, tokenizer, items, {.where = "t.jsonl"}).status().message(),
      HasSubstr("t.jsonl, line 5: choice 1 must have at most 24 tokens (the context), found"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(score_choices(decoder, tokenizer, items, {.stop = stop.get_token()}).code(),
            Code::kCancelled);
  EXPECT_THROW(decoder.losses_at(at::zeros({1, 4}, at::kLong), std::vector<std::int64_t>{4},
                                 std::vector<std::int64_t>{0}),
               std::exception);
}

// ---- Agreement with lm-evaluation-harness, item by item.

class Harness : public testing::Test {
 protected:
  static constexpr double kTolerance = 5e-3;  // float32 sums in another order; up to 80 tokens.

  static std::filesystem::path folder() {
    return std::filesystem::path(PANAL_TEST_DIR) / "golden" / "choices";
  }
  static void SetUpTestSuite() {
    const auto path =
        std::filesystem::path(PANAL_DEPS_DIR) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
    decoder_.emplace(model::load_decoder(path).value());
    tokenizer_.emplace(tokenizer::Tokenizer::load(path).value());
    expected_ = parse_json(read_text(folder() / "expected.json"), "expected.json").value();
  }
  static void TearDownTestSuite() { decoder_.reset(); }

  // One item against the harness's row: log-likelihoods, and whether each rule chose right.
  static void expect_item(const data::ChoiceItem& item, const ChoiceScores& scores,
                          const Json& task, std::size_t index) {
    SCOPED_TRACE(item.line);
    const auto wanted = task.at("items").at(index).get<std::vector<double>>();
    ASSERT_EQ(scores.log_likelihoods.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(scores.log_likelihoods[i], wanted[i], kTolerance) << i;
    const Chosen found = chosen(item, scores);
    EXPECT_EQ(found.plain, chosen(item, {wanted, scores.tokens}).plain);
    EXPECT_EQ(found.norm, chosen(item, {wanted, scores.tokens}).norm);
    EXPECT_EQ(found.plain == item.gold, task.at("acc_right").at(index) == 1);
    EXPECT_EQ(found.norm == item.gold, task.at("acc_norm_right").at(index) == 1);
    EXPECT_EQ(found.byte_norm == item.gold, task.at("acc_bytes_right").at(index) == 1);
  }

  static void expect_task(const std::string& file, data::ChoiceFormat format,
                          const std::string& golden, const data::ChoiceTaskOptions& options = {}) {
    const auto items = data::read_choice_task(folder() / file, format, options);
    ASSERT_TRUE(items.ok()) << items.status().message();
    const auto scores = score_choices(*decoder_, *tokenizer_, *items);
    ASSERT_TRUE(scores.ok()) << scores.status().message();
    std::map<std::string, std::size_t> seen;  // The golden of MMLU is by subject.
    for (std::size_t i = 0; i < items->size(); ++i) {
      const data::ChoiceItem& item = items->at(i);
      const Json& task =
          item.subject.empty() ? expected_.at(golden) : expected_.at(golden).at(item.subject);
      expect_item(item, scores->at(i), task, seen[item.subject]++);
    }
    if (options.limit > 0) return;
    const work::ChoiceSummary summary = summarise_choices(*items, *scores);
    const auto same = [](const work::ChoiceAccuracies& ours, const Json& theirs) {
      EXPECT_NEAR(ours.acc.mean, theirs.at("acc").get<double>(), 1e-12);
      EXPECT_NEAR(ours.acc.standard_error.value(), theirs.at("acc_stderr").get<double>(), 1e-12);
      EXPECT_NEAR(ours.acc_norm.mean, theirs.at("acc_norm").get<double>(), 1e-12);
      EXPECT_NEAR(ours.acc_norm.standard_error.value(), theirs.at("acc_norm_stderr").get<double>(),
                  1e-12);
    };
    if (summary.subjects.empty()) same(summary.all, expected_.at(golden));
    for (const auto& [name, subject] : summary.subjects)
      same(subject, expected_.at(golden).at(name));
  }

  static inline std::optional<model::Decoder> decoder_;
  static inline std::optional<tokenizer::Tokenizer> tokenizer_;
  static inline Json expected_;
};

TEST_F(Harness, AgreesOnHellaswag) {
  expect_task("hellaswag.jsonl", data::ChoiceFormat::kHellaswag, "hellaswag");
}

TEST_F(Harness, AgreesOnArc) { expect_task("arc.jsonl", data::ChoiceFormat::kArc, "arc"); }

TEST_F(Harness, AgreesOnMmlu) { expect_task("mmlu.jsonl", data::ChoiceFormat::kMmlu, "mmlu_0"); }

TEST_F(Harness, AgreesOnOtherChoices) {
  expect_task("choices.jsonl", data::ChoiceFormat::kChoices, "choices");
}

TEST_F(Harness, AgreesWithExamplesBeforeTheQuestion) {
  expect_task("arc.jsonl", data::ChoiceFormat::kArc, "arc_3", {.shots = 3, .limit = 12});
  expect_task("mmlu.jsonl", data::ChoiceFormat::kMmlu, "mmlu_2",
              {.shots = 2, .shots_path = folder() / "mmlu_dev.jsonl", .limit = 16});
}

}  // namespace
}  // namespace panal::evaluate
