// The real model gives the numbers of transformers in float32, through both ways of running it: the
// cached, packed serving path and the training forward pass.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "model/decoder.h"
#include "model/torch_token_model.h"
#include "store/file_system.h"
#include "tensor/runtime.h"
#include "tests/model/golden.h"

namespace panal::model {
namespace {

const std::filesystem::path& model_file() {
  static const std::filesystem::path path =
      std::filesystem::path(PANAL_DEPS_DIR) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  return path;
}

const Json& golden() {
  static const Json json = [] {
    const auto path =
        std::filesystem::path(PANAL_TEST_DIR) / "golden" / "smollm2" / "expected.json";
    return value_or_throw(
        parse_json(value_or_throw(store::read_file(path, 1 << 22)), path.string()));
  }();
  return json;
}

class SmolLm2 : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tensor::set_num_threads(2);
    auto opened = open_token_model(model_file());
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    model_ = std::move(*opened);
  }
  static void TearDownTestSuite() { model_.reset(); }
  static std::unique_ptr<TokenModel> model_;
};
std::unique_ptr<TokenModel> SmolLm2::model_;

std::int32_t best_of(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
}

// All five prompts at once: prefill together, then one ragged step per token.
TEST_F(SmolLm2, GreedyContinuationsEqualTransformers) {
  const auto V = static_cast<std::size_t>(model_->vocabulary_size());
  const std::size_t count = golden()["prompts"].size();
  std::vector<std::vector<std::int32_t>> pending(count);
  std::vector<std::int64_t> sequences(count);
  for (std::size_t i = 0; i < count; ++i) {
    pending[i] = golden()["prompts"][i]["ids"].get<std::vector<std::int32_t>>();
    sequences[i] = value_or_throw(model_->open_sequence("", 512));
  }
  std::vector<float> logits(count * V);
  for (std::size_t step = 0; step < 64; ++step) {
    std::vector<SequenceStep> steps;
    for (std::size_t i = 0; i < count; ++i) steps.push_back({sequences[i], pending[i]});
    ok_or_throw(model_->forward(steps, logits));
    for (std::size_t i = 0; i < count; ++i) {
      const Json& prompt = golden()["prompts"][i];
      const auto wanted = prompt["greedy_ids"][step].get<std::int32_t>();
      const std::int32_t found = best_of(std::span(logits).subspan(i * V, V));
      // At a tie either token is right; the golden's is fed, so what follows is compared again.
      if (prompt["margins"][step].get<double>() >= 1e-4) {
        ASSERT_EQ(found, wanted) << "prompt " << i << " step " << step;
      }
      pending[i] = {wanted};
    }
  }
  for (const std::int64_t sequence : sequences) model_->close_sequence(sequence);
}

TEST_F(SmolLm2, LogitsAfterAPromptEqualTransformersWithinAThousandth) {
  const auto V = static_cast<std::size_t>(model_->vocabulary_size());
  std::vector<float> logits(V);
  double worst = 0;
  for (const Json& prompt : golden()["prompts"]) {
    const auto ids = prompt["ids"].get<std::vector<std::int32_t>>();
    const std::int64_t sequence = value_or_throw(model_->open_sequence("", 512));
    const SequenceStep step{sequence, ids};
    ok_or_throw(model_->forward({&step, 1}, logits));
    model_->close_sequence(sequence);
    for (std::size_t i = 0; i < prompt["top_ids"].size(); ++i) {
      const auto id = prompt["top_ids"][i].get<std::size_t>();
      worst = std::max(worst, std::abs(logits[id] - prompt["top_logits"][i].get<double>()));
    }
    for (std::size_t i = 0; i * 997 < V; ++i) {
      worst =
          std::max(worst, std::abs(logits[i * 997] - prompt["logits_every_997"][i].get<double>()));
    }
  }
  RecordProperty("worst_logit_difference", std::to_string(worst));
  EXPECT_LT(worst, 1e-3);
}

TEST_F(SmolLm2, PerplexityEqualsTransformersWithinHalfAPercent) {
  const Decoder decoder = value_or_throw(load_decoder(model_file()));
  const auto ids = golden()["text_ids"].get<std::vector<std::int64_t>>();
  const auto window = golden()["window"].get<std::size_t>();
  double total = 0;
  std::int64_t scored = 0;
  for (std::size_t begin = 0; begin < ids.size(); begin += window) {
    const std::size_t length = std::min(window, ids.size() - begin);
    if (length < 2) break;
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    const at::Tensor all = at::tensor(
        std::vector<std::int64_t>(first, first + static_cast<std::ptrdiff_t>(length)), at::kLong);
    const auto T = static_cast<std::int64_t>(length) - 1;
    const at::Tensor losses =
        decoder.token_losses(all.narrow(0, 0, T).unsqueeze(0), all.narrow(0, 1, T).unsqueeze(0));
    total += losses.sum(at::kDouble).item<double>();
    scored += T;
  }
  EXPECT_EQ(scored, golden()["scored"].get<std::int64_t>());
  const double wanted = golden()["perplexity"].get<double>();
  EXPECT_NEAR(std::exp(total / static_cast<double>(scored)), wanted, wanted * 1e-4);
}

}  // namespace
}  // namespace panal::model
