// Starts, adapters, saving and loading of decoders, and how files that do not fit are refused.
#include "model/decoder.h"

#include <cmath>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "base/json.h"
#include "base/rng.h"
#include "store/file_system.h"
#include "tests/model/golden.h"
#include "weights/safetensors.h"

namespace panal::model {
namespace {

using test::golden_folder;
using test::TemporaryFolder;
using test::worst;
using testing::HasSubstr;

recipe::ModelConfig small_llama() {
  return {.architecture = recipe::Architecture::kLlama,
          .vocabulary_size = 300,
          .width = 64,
          .layers = 4,
          .heads = 4,
          .key_value_heads = 2,
          .head_width = 16,
          .feed_forward_width = 96,
          .context_length = 32,
          .rope_base = 10000.0,
          .rope_scaling = {},
          .norm_epsilon = 1e-5,
          .tied_embeddings = true,
          .attention_bias = false,
          .bos_id = 1,
          .eos_id = 2};
}

at::Tensor some_tokens(std::int64_t B, std::int64_t T) {
  return at::arange(B * T, at::kLong).view({B, T}) % 43;
}

TEST(Decoder, RandomStartsAreReproducibleAndScaledAsPublished) {
  const Decoder a = Decoder::random(small_llama(), 3), b = Decoder::random(small_llama(), 3),
                c = Decoder::random(small_llama(), 4);
  std::int64_t elements = 0;
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    const auto [name, value] = a.parameters()[i];
    elements += value.numel();
    EXPECT_TRUE(value.requires_grad());
    EXPECT_TRUE(at::equal(value, b.parameters()[i].value)) << name;
    if (value.dim() == 1) {
      EXPECT_TRUE(at::equal(value, at::ones_like(value))) << name;
      continue;
    }
    EXPECT_FALSE(at::equal(value, c.parameters()[i].value)) << name;
    const bool residual =
        name.find("o_proj") != std::string::npos || name.find("down_proj") != std::string::npos;
    const double wanted = residual ? 0.02 / std::sqrt(8.0) : 0.02;
    EXPECT_NEAR(value.std().item<double>(), wanted, 0.08 * wanted) << name;
  }
  EXPECT_EQ(elements, small_llama().num_parameters());
  // Targets other than the inputs: a tied head knows its own input from the start.
  const double loss = a.loss(some_tokens(2, 9), some_tokens(2, 9) + 100).item<double>();
  EXPECT_NEAR(loss, std::log(300.0), 0.2);
}

// Training in bfloat16 follows float32 within its rounding, also after the weights changed;
// evaluation stays float32.
TEST(Decoder, Bfloat16FollowsFloat32WithinItsRounding) {
  for (const recipe::Architecture architecture :
       {recipe::Architecture::kLlama, recipe::Architecture::kGpt2}) {
    recipe::ModelConfig config = small_llama();
    config.architecture = architecture;
    if (architecture == recipe::Architecture::kGpt2) {
      config.key_value_heads = config.heads;
      config.attention_bias = true;
    }
    Decoder exact = Decoder::random(config, 5), rounded = Decoder::random(config, 5);
    rounded.set_training_precision(tensor::Precision::kBFloat16);
    const at::Tensor tokens = some_tokens(2, 24), targets = some_tokens(2, 24) + 1;
    for (int update = 0; update < 2; ++update) {
      const at::Tensor wanted = exact.loss(tokens, targets), found = rounded.loss(tokens, targets);
      EXPECT_NEAR(found.item<double>(), wanted.item<double>(), 2e-3);
      EXPECT_TRUE(
          at::equal(rounded.token_losses(tokens, targets), exact.token_losses(tokens, targets)));
      wanted.backward();
      found.backward();
      for (std::size_t i = 0; i < exact.parameters().size(); ++i) {
        const auto [name, value] = exact.parameters()[i];
        const at::Tensor other = rounded.parameters()[i].value.grad();
        EXPECT_LT((other - value.grad()).norm().item<double>(),
                  0.05 * value.grad().norm().item<double>() + 1e-6)
            << name;
      }
      const at::NoGradGuard no_gradient;
      for (Decoder* decoder : {&exact, &rounded}) {
        for (const auto& [name, value] : decoder->parameters()) {
          value.mul_(1.5);
          value.mutable_grad() = at::Tensor();
        }
        decoder->weights_changed();
      }
    }
  }
}

std::vector<recipe::ModelConfig> one_of_each() {
  recipe::ModelConfig untied = small_llama(), gpt2 = small_llama();
  untied.tied_embeddings = false;
  untied.qk_norm = true;
  gpt2.architecture = recipe::Architecture::kGpt2;
  gpt2.key_value_heads = gpt2.heads;
  gpt2.attention_bias = true;
  return {small_llama(), untied, gpt2};
}

// A float32 decoder whose matrices are what bfloat16 can hold.
Decoder with_rounded_values(const recipe::ModelConfig& config, std::uint64_t seed) {
  Decoder decoder = Decoder::random(config, seed);
  const at::NoGradGuard no_gradient;
  for (const auto& [name, value] : decoder.parameters()) {
    if (value.dim() == 2) value.copy_(value.to(at::kBFloat16));
  }
  return decoder;
}

// bfloat16 matrices are what rounded copies of float32 ones were: the same losses to the bit, the
// same gradients up to their rounding, and two passes add up.
TEST(Decoder, Bfloat16MatricesTrainAsRoundedCopiesDo) {
  for (const recipe::ModelConfig& config : one_of_each()) {
    Decoder wanted = with_rounded_values(config, 5);
    Decoder found = Decoder::random(config, 5, tensor::Precision::kBFloat16);
    for (Decoder* decoder : {&wanted, &found})
      decoder->set_training_precision(tensor::Precision::kBFloat16);
    const at::Tensor tokens = some_tokens(2, 24), targets = some_tokens(2, 24) + 1;
    EXPECT_TRUE(
        at::equal(found.token_losses(tokens, targets), wanted.token_losses(tokens, targets)));
    {
      const at::NoGradGuard no_gradient;
      EXPECT_TRUE(at::equal(found.forward(tokens), wanted.forward(tokens)));
    }
    for (int pass = 1; pass <= 2; ++pass) {
      const at::Tensor loss = found.loss(tokens, targets), other = wanted.loss(tokens, targets);
      EXPECT_EQ(loss.item<float>(), other.item<float>());
      loss.backward();
      other.backward();
      for (std::size_t i = 0; i < found.parameters().size(); ++i) {
        const auto [name, value] = found.parameters()[i];
        const auto type = value.dim() == 2 ? at::kBFloat16 : at::kFloat;
        ASSERT_EQ(value.scalar_type(), type) << name;
        ASSERT_EQ(value.grad().scalar_type(), type) << name;
        const at::Tensor gradient = wanted.parameters()[i].value.grad();
        // 2^-9 is half a unit in bfloat16's last place; sums of tables and passes round again.
        EXPECT_LT((value.grad().to(at::kFloat) - gradient).norm().item<double>(),
                  3.0 / 512 * gradient.norm().item<double>())
            << name << " pass " << pass;
      }
    }
  }
}

TEST(Decoder, Bfloat16MatricesAreSavedAsTheyAreAndRefuseFloat32Products) {
  Decoder first = Decoder::random(small_llama(), 5, tensor::Precision::kBFloat16);
  EXPECT_THROW(first.set_training_precision(tensor::Precision::kFloat32), Error);
  const TemporaryFolder folder;
  const at::NoGradGuard no_gradient;
  const at::Tensor logits = first.forward(some_tokens(1, 6));
  for (const auto type : {Decoder::SaveType::kAsKept, Decoder::SaveType::kFloat32}) {
    ok_or_throw(first.save_hugging_face(folder.path(), type));
    const Decoder second = value_or_throw(load_decoder(folder.path()));
    EXPECT_TRUE(at::equal(second.forward(some_tokens(1, 6)), logits));
    const std::string config =
        value_or_throw(store::read_file(folder.path() / "config.json", 1 << 20));
    EXPECT_THAT(config, HasSubstr(type == Decoder::SaveType::kAsKept ? "bfloat16" : "float32"));
  }
}

struct LossAndGradients {
  at::Tensor loss;
  std::vector<tensor::NamedTensor> gradients;
  std::vector<std::vector<float>> attention_maxima;
};
LossAndGradients two_passes(Decoder& decoder, const at::Tensor& first_keys) {
  const at::Tensor tokens = some_tokens(2, 24), targets = some_tokens(2, 24) + 1;
  LossAndGradients found;
  for (const auto& [name, value] : decoder.trainable_parameters())
    value.mutable_grad() = at::Tensor();
  for (int pass = 0; pass < 2; ++pass) {
    found.loss = decoder.loss(tokens, targets, first_keys);
    (found.loss * 0.5).backward();
  }
  for (const auto& [name, value] : decoder.trainable_parameters())
    found.gradients.push_back({name, value.grad()});
  found.attention_maxima = decoder.attention_maxima();
  return found;
}

void expect_equal_bits(const LossAndGradients& found, const LossAndGradients& wanted) {
  EXPECT_TRUE(at::equal(found.loss, wanted.loss));
  EXPECT_EQ(found.attention_maxima, wanted.attention_maxima);
  ASSERT_EQ(found.gradients.size(), wanted.gradients.size());
  for (std::size_t i = 0; i < found.gradients.size(); ++i) {
    ASSERT_TRUE(found.gradients[i].value.defined()) << found.gradients[i].name;
    EXPECT_TRUE(at::equal(found.gradients[i].value, wanted.gradients[i].value))
        << found.gradients[i].name;
  }
}

// Whatever is computed again gives the bits it gave: with packed documents, over several passes, in
// every type of weights and products, and under an adapter.
TEST(Decoder, RecomputingChangesNoBit) {
  using tensor::Precision;
  struct Types {
    Precision weights, products;
    bool has_adapter;
  };
  const at::Tensor apart = (at::arange(24, at::kInt) / 7 * 7).to(at::kInt).repeat({2, 1});
  for (recipe::ModelConfig config : one_of_each()) {
    config.layers = 2;
    for (const Types types : {Types{Precision::kFloat32, Precision::kFloat32, false},
                              Types{Precision::kFloat32, Precision::kBFloat16, true},
                              Types{Precision::kFloat32, Precision::kBFloat16, false},
                              Types{Precision::kBFloat16, Precision::kBFloat16, false}}) {
      Decoder decoder = Decoder::random(config, 5, types.weights);
      decoder.set_training_precision(types.products);
      if (types.has_adapter)
        decoder.add_lora({.rank = 4, .alpha = 8, .targets = {}, .base_model_name = ""}, 9);
      for (const at::Tensor& first_keys : {at::Tensor(), apart}) {
        decoder.set_recompute(recipe::Recompute::kNone);
        const LossAndGradients wanted = two_passes(decoder, first_keys);
        for (const recipe::Recompute recompute :
             {recipe::Recompute::kSelective, recipe::Recompute::kFull}) {
          decoder.set_recompute(recompute);
          SCOPED_TRACE(recipe::recompute_name(recompute));
          expect_equal_bits(two_passes(decoder, first_keys), wanted);
        }
      }
    }
  }
}

TEST(Decoder, AnImpossibleConfigOrInputIsRefused) {
  recipe::ModelConfig config = small_llama();
  config.key_value_heads = 3;
  EXPECT_THROW(Decoder::random(config, 1), Error);
  const Decoder decoder = Decoder::random(small_llama(), 1);
  EXPECT_THROW(decoder.forward(some_tokens(1, 33)), Error);
  EXPECT_THROW(decoder.forward(at::zeros({1, 4})), Error);
  EXPECT_ANY_THROW(decoder.forward(at::full({1, 4}, 300, at::kLong)));
}

TEST(Lora, AFreshAdapterChangesNothingAndTrainsOnlyItself) {
  Decoder decoder = Decoder::random(small_llama(), 3);
  const at::Tensor before = decoder.forward(some_tokens(1, 8));
  decoder.add_lora(
      {.rank = 4, .alpha = 8, .targets = {"q_proj", "down_proj"}, .base_model_name = ""}, 9);
  EXPECT_TRUE(at::allclose(before, decoder.forward(some_tokens(1, 8))));
  EXPECT_EQ(decoder.trainable_parameters().size(), 2u * 2u * 4u);
  decoder.loss(some_tokens(1, 8), some_tokens(1, 8)).backward();
  for (const auto& [name, value] : decoder.parameters())
    EXPECT_FALSE(value.grad().defined()) << name;
  for (const auto& [name, value] : decoder.trainable_parameters()) {
    ASSERT_TRUE(value.grad().defined()) << name;
    const bool is_up = name.find("lora_B") != std::string::npos;
    EXPECT_EQ(value.grad().abs().sum().item<double>() > 0, is_up)
        << "B is 0, so only B has a gradient: " << name;
  }
  decoder.remove_lora();
  EXPECT_TRUE(at::equal(before, decoder.forward(some_tokens(1, 8))));
}

TEST(Lora, UnknownTargetsImpossibleRanksAndASecondAdapterAreRefused) {
  Decoder decoder = Decoder::random(small_llama(), 3);
  const auto add = [&](std::int64_t rank, std::vector<std::string> targets) {
    decoder.add_lora(
        {.rank = rank, .alpha = 8, .targets = std::move(targets), .base_model_name = ""}, 9);
  };
  EXPECT_THROW(add(4, {"q_proj", "c_attn"}), Error);
  EXPECT_THROW(add(0, {"q_proj"}), Error);
  EXPECT_THROW(add(33, {"k_proj"}), Error);
  EXPECT_FALSE(decoder.lora().has_value());
  add(4, {});
  EXPECT_EQ(decoder.lora()->targets.size(), 7u);
  EXPECT_THROW(add(4, {"q_proj"}), Error);
}

TEST(Lora, SavedAndLoadedGivesTheSameNumbers) {
  for (const char* name : {"llama_tied", "gpt2"}) {
    Decoder first = value_or_throw(load_decoder(golden_folder(name)));
    ok_or_throw(first.load_adapter(golden_folder(std::string(name) + "_adapter")));
    const TemporaryFolder folder;
    ok_or_throw(first.save_adapter(folder.path()));
    Decoder second = value_or_throw(load_decoder(golden_folder(name)));
    ok_or_throw(second.load_adapter(folder.path()));
    EXPECT_TRUE(at::equal(first.forward(some_tokens(2, 5)), second.forward(some_tokens(2, 5))))
        << name;
    EXPECT_EQ(second.lora()->alpha, 12);
  }
}

class RefusedAdapter : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
      std::filesystem::copy(golden_folder("llama_tied_adapter") / name, folder_.path() / name);
    }
  }
  void change_config(const std::function<void(Json&)>& change) {
    const auto path = folder_.path() / "adapter_config.json";
    Json json =
        value_or_throw(parse_json(value_or_throw(store::read_file(path, 1 << 20)), "config"));
    change(json);
    ok_or_throw(store::write_file_atomically(store::posix_file_system(), path, to_pretty(json)));
  }
  void expect_refused(Code code, const char* says) {
    Decoder decoder = value_or_throw(load_decoder(golden_folder("llama_tied")));
    const at::Tensor before = decoder.forward(some_tokens(1, 4));
    const Status status = decoder.load_adapter(folder_.path());
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(says));
    EXPECT_TRUE(at::equal(before, decoder.forward(some_tokens(1, 4)))) << "the decoder changed";
  }
  TemporaryFolder folder_;
};

TEST_F(RefusedAdapter, OtherRank) {
  change_config([](Json& json) { json["r"] = 4; });
  expect_refused(Code::kInvalidArgument, "wanted shape [4,");
}
TEST_F(RefusedAdapter, OtherKind) {
  change_config([](Json& json) { json["peft_type"] = "IA3"; });
  expect_refused(Code::kUnsupported, "IA3");
}
TEST_F(RefusedAdapter, SettingsThatChangeTheNumbers) {
  change_config([](Json& json) { json["use_dora"] = true; });
  expect_refused(Code::kUnsupported, "use_dora");
}
// A member that a later PEFT invents is refused by its name once it is set.
TEST_F(RefusedAdapter, SettingsNobodyKnowsYet) {
  change_config([](Json& json) { json["use_new_idea"] = {{"strength", 2}}; });
  expect_refused(Code::kUnsupported, "use_new_idea");
}
TEST_F(RefusedAdapter, StartsThatChangeTheCore) {
  change_config([](Json& json) { json["init_lora_weights"] = "pissa_niter_4"; });
  expect_refused(Code::kUnsupported, "pissa_niter_4");
}
TEST_F(RefusedAdapter, AGitLfsPointer) {
  std::ofstream(folder_.path() / "adapter_model.safetensors")
      << "version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 5\n";
  expect_refused(Code::kInvalidArgument, "git lfs pull");
}
// What PEFT writes for settings that are off, and targets as a text.
TEST_F(RefusedAdapter, NotWhatIsUnset) {
  const auto loaded = [&] {
    Decoder decoder = value_or_throw(load_decoder(golden_folder("llama_tied")));
    ok_or_throw(decoder.load_adapter(folder_.path()));
    return decoder.forward(some_tokens(1, 4)).detach();
  };
  const at::Tensor plain = loaded();
  change_config([](Json& json) {
    json["target_modules"] = ".*(proj)";
    json["modules_to_save"] = nullptr;
    json["rank_pattern"] = Json::object();
    json["use_dora"] = false;
    json["peft_version"] = "0.17.0";
  });
  EXPECT_TRUE(at::equal(loaded(), plain));
  // alpha / sqrt(rank) instead of alpha / rank.
  change_config([](Json& json) {
    json["use_rslora"] = true;
    const double rank = json["r"].get<double>();
    json["lora_alpha"] = json["lora_alpha"].get<double>() / std::sqrt(rank);
  });
  EXPECT_TRUE(at::allclose(loaded(), plain, 1e-5, 1e-6));
}
TEST_F(RefusedAdapter, TargetsThatAreNotInTheFile) {
  change_config([](Json& json) { json["target_modules"].push_back("o_proj"); });
  expect_refused(Code::kInvalidArgument, "o_proj");
}
TEST_F(RefusedAdapter, TensorsOfAnotherCore) {
  std::filesystem::copy(golden_folder("gpt2_adapter") / "adapter_model.safetensors",
                        folder_.path() / "adapter_model.safetensors",
                        std::filesystem::copy_options::overwrite_existing);
  expect_refused(Code::kInvalidArgument, "belongs to no linear layer");
}
TEST_F(RefusedAdapter, NoFiles) {
  std::filesystem::remove(folder_.path() / "adapter_model.safetensors");
  expect_refused(Code::kNotFound, "adapter_model.safetensors");
}

TEST(SaveHuggingFace, LoadsAgainWithTheSameNumbers) {
  for (const char* name : {"llama_tied", "llama_free_head", "llama_rope3", "llama_biases",
                           "mistral", "qwen2", "qwen3", "qwen3_biases", "gpt2", "gpt2_relu2"}) {
    const Decoder first = value_or_throw(load_decoder(golden_folder(name)));
    const TemporaryFolder folder;
    ok_or_throw(first.save_hugging_face(folder.path()));
    const auto second = load_decoder(folder.path());
    ASSERT_TRUE(second.ok()) << second.status().message();
    EXPECT_EQ(second->config(), first.config()) << name;
    EXPECT_TRUE(at::equal(second->forward(some_tokens(1, 6)), first.forward(some_tokens(1, 6))))
        << name;
    ok_or_throw(first.save_hugging_face(folder.path(), Decoder::SaveType::kBFloat16));
    const Decoder third = value_or_throw(load_decoder(folder.path()));
    // 2^-8: bfloat16 keeps eight bits.
    EXPECT_LT(worst(third.forward(some_tokens(1, 6)), first.forward(some_tokens(1, 6)).detach()),
              0.05)
        << name;
  }
}

// transformers stops at every id of the list, and so does panal on the exported folder.
TEST(SaveHuggingFace, WritesEveryEndOfAnAnswer) {
  const TemporaryFolder folder;
  recipe::ModelConfig config = small_llama();
  config.eos_id = 7;
  const auto written = [&](const Json& existing, const std::vector<std::int32_t>& stops) {
    ok_or_throw(save_generation_config(folder.path(), config, existing, stops));
    const auto path = folder.path() / "generation_config.json";
    return value_or_throw(parse_json(value_or_throw(store::read_file(path, 1 << 20)), "written"));
  };
  EXPECT_EQ(written(Json::object(), {7})["eos_token_id"], 7);
  EXPECT_EQ(written(Json::object(), {2, 7, 9})["eos_token_id"], Json::array({7, 2, 9}));
  const Json kept = written(Json{{"temperature", 0.6}, {"eos_token_id", 1}}, {2});
  EXPECT_EQ(kept["temperature"], 0.6);
  EXPECT_EQ(kept["eos_token_id"], Json::array({7, 2}));
}

class RefusedCore : public testing::Test {
 protected:
  using Tensors = std::vector<tensor::NamedTensor>;
  void write(const std::function<void(Tensors&)>& change) {
    Tensors tensors =
        value_or_throw(tensor::load_tensors(golden_folder("llama_tied") / "model.safetensors"));
    change(tensors);
    ok_or_throw(tensor::save_tensors(store::posix_file_system(),
                                     folder_.path() / "model.safetensors", tensors));
    std::filesystem::copy(golden_folder("llama_tied") / "config.json",
                          folder_.path() / "config.json",
                          std::filesystem::copy_options::overwrite_existing);
  }
  void expect_refused(Code code, const char* says) {
    const auto loaded = load_decoder(folder_.path());
    EXPECT_EQ(loaded.code(), code);
    EXPECT_THAT(loaded.status().message(), HasSubstr(says));
    EXPECT_THAT(loaded.status().message(), HasSubstr(folder_.path().string()));
  }
  TemporaryFolder folder_;
};

TEST_F(RefusedCore, ATensorTooMany) {
  write([](Tensors& tensors) {
    tensors.push_back({"model.layers.9.extra.weight", at::zeros({2, 3})});
  });
  expect_refused(Code::kInvalidArgument, "model.layers.9.extra.weight [2, 3]");
}
TEST_F(RefusedCore, ATensorMissing) {
  write([](Tensors& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.name == "model.norm.weight"; });
  });
  expect_refused(Code::kInvalidArgument, "model.norm.weight [24] is missing");
}
TEST_F(RefusedCore, AShapeThatDoesNotFitTheConfig) {
  write([](Tensors& tensors) {
    for (auto& tensor : tensors) {
      if (tensor.name == "model.norm.weight") tensor.value = at::ones({25});
    }
  });
  expect_refused(Code::kInvalidArgument, "wanted shape [24], found [25]");
}
TEST_F(RefusedCore, AValueThatIsNotFinite) {
  write([](Tensors& tensors) { tensors[0].value.view({-1})[0] = NAN; });
  EXPECT_FALSE(load_decoder(folder_.path()).ok());
}
TEST_F(RefusedCore, IntegersInPlaceOfWeights) {
  write([](Tensors& tensors) {
    for (auto& tensor : tensors) {
      if (tensor.name == "model.norm.weight") tensor.value = at::ones({24}, at::kLong);
    }
  });
  expect_refused(Code::kUnsupported, "I64");
}
TEST_F(RefusedCore, BallastIsSkippedAndACopyOfTheTiedHeadToo) {
  write([](Tensors& tensors) {
    tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", at::zeros({2})});
    const auto embedding = std::ranges::find(tensors, std::string("model.embed_tokens.weight"),
                                             &tensor::NamedTensor::name);
    tensors.push_back({"lm_head.weight", embedding->value.clone()});
  });
  const auto loaded = load_decoder(folder_.path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_TRUE(loaded->config().tied_embeddings);
  EXPECT_THAT(unused_tensors(folder_.path()).value(),
              testing::UnorderedElementsAre("model.layers.0.self_attn.rotary_emb.inv_freq",
                                            "lm_head.weight"));
}
// Only the file knows whether a head was trained apart from the embedding.
TEST_F(RefusedCore, AHeadOfItsOwnIsUsedWhateverTheConfigSays) {
  write([](Tensors& tensors) { tensors.push_back({"lm_head.weight", at::zeros({43, 24})}); });
  const auto loaded = load_decoder(folder_.path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_FALSE(loaded->config().tied_embeddings);
  EXPECT_EQ(loaded->forward(some_tokens(1, 6)).abs().max().item<float>(), 0.0F);
  EXPECT_TRUE(unused_tensors(folder_.path())->empty());
  TemporaryFolder exported;
  ok_or_throw(loaded->save_hugging_face(exported.path()));
  EXPECT_FALSE(load_decoder(exported.path())->config().tied_embeddings);
}
TEST_F(RefusedCore, AFolderWithoutConfigOrWeights) {
  EXPECT_EQ(load_decoder(folder_.path()).code(), Code::kNotFound);
  EXPECT_EQ(load_decoder(folder_.path() / "none").code(), Code::kNotFound);
}

// Whatever a flipped byte says, the answer is a decoder or a Status.
TEST_F(RefusedCore, FlippedBytesNeverCrash) {
  Rng rng(17);
  int refused = 0;
  for (const char* name : {"config.json", "model.safetensors"}) {
    const std::string good =
        value_or_throw(store::read_file(golden_folder("llama_tied") / name, 1 << 20));
    for (int round = 0; round < 300; ++round) {
      write([](Tensors&) {});
      std::string bad = good;
      // Headers come first in both: that is where a byte can mislead.
      const std::size_t place = rng.below(std::min<std::size_t>(bad.size(), 2500));
      bad[place] = static_cast<char>(rng.below(256));
      std::ofstream(folder_.path() / name, std::ios::binary) << bad;
      const auto loaded = load_decoder(folder_.path());
      if (!loaded.ok()) {
        EXPECT_FALSE(loaded.status().message().empty());
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace panal::model
