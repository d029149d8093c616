// A config is read exactly or refused with a sentence that says what was wanted and what was found.
#include "recipe/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "tests/weights/weights_files.h"
#include "weights/gguf.h"

namespace panal::recipe {
namespace {

using testing::HasSubstr;

Json llama_json() {
  return {{"model_type", "llama"},       {"vocab_size", 100},
          {"hidden_size", 32},           {"num_hidden_layers", 2},
          {"num_attention_heads", 4},    {"num_key_value_heads", 2},
          {"intermediate_size", 64},     {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-6},        {"rope_theta", 500000.0},
          {"tie_word_embeddings", true}, {"hidden_act", "silu"},
          {"bos_token_id", 1},           {"eos_token_id", Json::array({2, 3})}};
}

Json gpt2_json() {
  return {{"model_type", "gpt2"}, {"vocab_size", 100}, {"n_embd", 32},
          {"n_layer", 2},         {"n_head", 4},       {"n_positions", 64}};
}

TEST(ModelConfig, ReadsEveryMemberOfALlama) {
  const auto read = config_from_hugging_face(llama_json(), "config.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  const ModelConfig wanted{.architecture = Architecture::kLlama,
                           .vocabulary_size = 100,
                           .width = 32,
                           .layers = 2,
                           .heads = 4,
                           .key_value_heads = 2,
                           .head_width = 8,
                           .feed_forward_width = 64,
                           .context_length = 128,
                           .rope_base = 500000.0,
                           .rope_scaling = {},
                           .norm_epsilon = 1e-6,
                           .tied_embeddings = true,
                           .attention_bias = false,
                           .bos_id = 1,
                           .eos_id = 2};
  EXPECT_EQ(*read, wanted);
}

TEST(ModelConfig, ReadsTheRopeOfOldAndNewTransformers) {
  const Json scaling = {{"rope_type", "llama3"},
                        {"factor", 32.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 64}};
  Json old_form = llama_json(), new_form = llama_json();
  old_form["rope_scaling"] = scaling;
  new_form.erase("rope_theta");
  new_form["rope_parameters"] = scaling;
  new_form["rope_parameters"]["rope_theta"] = 500000.0;
  const auto a = config_from_hugging_face(old_form, "a"),
             b = config_from_hugging_face(new_form, "b");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(*a, *b);
  EXPECT_EQ(a->rope_scaling.kind, RopeScaling::Kind::kLlama3);
  EXPECT_EQ(a->rope_scaling.factor, 32.0);
}

// Every combination a config can hold comes back, under the model_type that transformers has for it
// where there is one.
TEST(ModelConfig, EveryCombinationIsWrittenAndReadBack) {
  for (int bits = 0; bits < 48; ++bits) {
    ModelConfig config = value_or_throw(config_from_hugging_face(llama_json(), "start"));
    config.qk_norm = (bits & 1) != 0;
    config.attention_bias = (bits & 2) != 0;
    config.attention_output_bias = (bits & 6) == 6;
    config.logit_soft_cap = (bits & 8) != 0 ? 30.0 : 0.0;
    const Activation activations[] = {Activation::kUsual, Activation::kGelu,
                                      Activation::kReluSquared};
    config.activation = activations[bits / 16];
    const Json json = config_to_hugging_face(config, "float32");
    const auto again = config_from_hugging_face(json, "again");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(*again, config) << json.dump();
    const bool own = bits >= 16 || (bits & 8) != 0 || (bits & 7) == 3;
    const char* theirs = (bits & 1) != 0 ? "qwen3" : (bits & 6) == 2 ? "qwen2" : "llama";
    EXPECT_EQ(json["model_type"], own ? "panal_llama" : theirs) << bits;
  }
  for (int bits = 0; bits < 4; ++bits) {
    ModelConfig config = value_or_throw(config_from_hugging_face(gpt2_json(), "start"));
    config.activation = (bits & 1) != 0 ? Activation::kReluSquared : Activation::kUsual;
    config.logit_soft_cap = (bits & 2) != 0 ? 15.0 : 0.0;
    const Json json = config_to_hugging_face(config, "float32");
    EXPECT_EQ(value_or_throw(config_from_hugging_face(json, "again")), config);
    EXPECT_EQ(json["model_type"], (bits & 2) != 0 ? "panal_gpt2" : "gpt2");
  }
}

TEST(ModelConfig, AQwen3WithoutHeadDimHasTheWidthOfItsClass) {
  Json json = llama_json();
  json["model_type"] = "qwen3";
  json["hidden_size"] = 33;  // Need not be a multiple of the heads.
  EXPECT_EQ(value_or_throw(config_from_hugging_face(json, "qwen3")).head_width, 128);
  json["head_dim"] = 64;
  const ModelConfig config = value_or_throw(config_from_hugging_face(json, "qwen3"));
  EXPECT_EQ(config.head_width, 64);
  EXPECT_TRUE(config.qk_norm);
  EXPECT_FALSE(config.attention_bias);
}

TEST(ModelConfig, FeaturesThatDoNotFitTheArchitectureAreRefused) {
  const ModelConfig llama = value_or_throw(config_from_hugging_face(llama_json(), "llama"));
  const ModelConfig gpt2 = value_or_throw(config_from_hugging_face(gpt2_json(), "gpt2"));
  const auto refused = [](ModelConfig config, const std::function<void(ModelConfig&)>& change,
                          const char* says) {
    change(config);
    const Status status = validate(config);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << says;
    EXPECT_THAT(status.message(), HasSubstr(says));
  };
  refused(
      gpt2, [](ModelConfig& c) { c.qk_norm = true; }, "QK-norm");
  refused(
      gpt2, [](ModelConfig& c) { c.activation = Activation::kSwiglu; }, "relu_squared");
  refused(
      llama, [](ModelConfig& c) { c.attention_output_bias = true; }, "q, k and v");
  for (const double cap : {-1.0, 0.5, 1e9, std::nan("")}) {
    refused(
        llama, [&](ModelConfig& c) { c.logit_soft_cap = cap; }, "soft-cap");
  }
}

TEST(ModelConfig, WritingAndReadingGivesTheSame) {
  Json linear = llama_json(), qwen = llama_json();
  linear["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  qwen["model_type"] = "qwen2";
  for (const Json& json : {llama_json(), gpt2_json(), linear, qwen}) {
    const auto read = config_from_hugging_face(json, "first");
    ASSERT_TRUE(read.ok()) << read.status().message();
    const auto again = config_from_hugging_face(config_to_hugging_face(*read, "float32"), "second");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(*again, *read);
  }
}

struct Refusal {
  const char* name;
  std::function<void(Json&)> change;
  Code code;
  const char* says;
};

class RefusedConfig : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedConfig, SaysWhatWasWantedAndFound) {
  Json json = llama_json();
  GetParam().change(json);
  const auto read = config_from_hugging_face(json, "x/config.json");
  EXPECT_EQ(read.code(), GetParam().code);
  EXPECT_THAT(read.status().message(), HasSubstr(GetParam().says));
  EXPECT_THAT(read.status().message(), HasSubstr("x/config.json"));
}

const Refusal kRefusals[] = {
    {"OtherArchitecture", [](Json& j) { j["model_type"] = "mamba"; }, Code::kUnsupported,
     "found \"mamba\""},
    {"NoType", [](Json& j) { j.erase("model_type"); }, Code::kInvalidArgument, "model_type"},
    {"NoVocabulary", [](Json& j) { j.erase("vocab_size"); }, Code::kInvalidArgument, "vocab_size"},
    {"ZeroLayers", [](Json& j) { j["num_hidden_layers"] = 0; }, Code::kInvalidArgument,
     "num_hidden_layers"},
    {"TextForNumber", [](Json& j) { j["hidden_size"] = "big"; }, Code::kInvalidArgument,
     "hidden_size"},
    {"EndlessContext", [](Json& j) { j["max_position_embeddings"] = 1 << 21; },
     Code::kInvalidArgument, "context length"},
    {"HugeWidth", [](Json& j) { j["hidden_size"] = 1e15; }, Code::kInvalidArgument, "hidden_size"},
    {"WidthNotDivisible", [](Json& j) { j["hidden_size"] = 33; }, Code::kInvalidArgument,
     "multiple"},
    {"HeadsNotDivisible", [](Json& j) { j["num_key_value_heads"] = 3; }, Code::kInvalidArgument,
     "multiple"},
    {"OddHead", [](Json& j) { j["head_dim"] = 7; }, Code::kInvalidArgument, "even"},
    {"OtherActivation", [](Json& j) { j["hidden_act"] = "relu"; }, Code::kUnsupported,
     "hidden_act"},
    {"FeedForwardBiases", [](Json& j) { j["mlp_bias"] = true; }, Code::kUnsupported, "mlp_bias"},
    {"Yarn",
     [](Json& j) {
       j["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
     },
     Code::kUnsupported, "yarn"},
    {"RopeNoObject", [](Json& j) { j["rope_scaling"] = 4; }, Code::kInvalidArgument, "object"},
    {"Qwen3ShortWindow",
     [](Json& j) {
       j["model_type"] = "qwen3";
       j["use_sliding_window"] = true;
       j["sliding_window"] = 16;
     },
     Code::kUnsupported, "sliding"},
    {"UnknownFeedForward",
     [](Json& j) {
       j["model_type"] = "panal_llama";
       j["feed_forward"] = "maxout";
     },
     Code::kUnsupported, "maxout"},
    {"NegativeSoftCap",
     [](Json& j) {
       j["model_type"] = "panal_llama";
       j["final_logit_softcapping"] = -30.0;
     },
     Code::kInvalidArgument, "final_logit_softcapping"},
    {"ShortWindow",
     [](Json& j) {
       j["model_type"] = "mistral";
       j["sliding_window"] = 16;
     },
     Code::kUnsupported, "sliding"},
};

INSTANTIATE_TEST_SUITE_P(Each, RefusedConfig, testing::ValuesIn(kRefusals),
                         [](const auto& info) { return info.param.name; });

TEST(ModelConfig, RefusesGpt2SettingsThatChangeTheNumbers) {
  Json scaled = gpt2_json(), activation = gpt2_json();
  scaled["scale_attn_by_inverse_layer_idx"] = true;
  activation["activation_function"] = "relu";
  EXPECT_EQ(config_from_hugging_face(scaled, "a").code(), Code::kUnsupported);
  EXPECT_EQ(config_from_hugging_face(activation, "b").code(), Code::kUnsupported);
}

// SmolLM2-135M has 134,515,008 parameters.
TEST(ModelConfig, ReadsTheRealGgufAndCountsItsParameters) {
  const auto read =
      load_model_config(std::string(PANAL_DEPS_DIR) + "/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->layers, 30);
  EXPECT_EQ(read->key_value_heads, 3);
  EXPECT_EQ(read->vocabulary_size, 49152);
  EXPECT_EQ(read->context_length, 8192);
  EXPECT_EQ(read->norm_epsilon, 1e-5);
  EXPECT_EQ(read->rope_base, 100000.0);
  EXPECT_TRUE(read->tied_embeddings);
  EXPECT_EQ(read->num_parameters(), 134515008);
  EXPECT_EQ(load_model_config("/nowhere").code(), Code::kNotFound);
}

// A LLaMA file with one tensor and, beside what every file says, the given scaling of positions.
Result<ModelConfig> config_with_rope(const std::map<std::string, float>& numbers,
                                     const std::string& type = "") {
  constexpr std::uint32_t kUint32 = 4, kFloat32 = 6, kString = 8;
  weights::ByteBuilder file;
  const std::uint64_t num_keys = 6 + numbers.size() + (type.empty() ? 0 : 1);
  file.add<std::uint32_t>(0x46554747).add<std::uint32_t>(3).add<std::uint64_t>(1).add(num_keys);
  file.text("general.architecture").add(kString).text("llama");
  for (const auto& [key, value] : std::map<std::string, std::uint32_t>{{"block_count", 1},
                                                                       {"embedding_length", 32},
                                                                       {"attention.head_count", 2},
                                                                       {"feed_forward_length", 64},
                                                                       {"context_length", 128}}) {
    file.text("llama." + key).add(kUint32).add(value);
  }
  for (const auto& [key, value] : numbers) file.text("llama." + key).add(kFloat32).add(value);
  if (!type.empty()) file.text("llama.rope.scaling.type").add(kString).text(type);
  file.text("token_embd.weight").add<std::uint32_t>(2).add<std::uint64_t>(32);
  file.add<std::uint64_t>(3).add<std::uint32_t>(0).add<std::uint64_t>(0);
  file.pad(32).raw(std::string(3 * 32 * 4, '\0'));
  const weights::ScratchFolder folder;
  return load_model_config(folder.write("model.gguf", file.bytes()).string());
}

// The first converters wrote one number where there are a type and a factor now.
TEST(ModelConfig, ReadsTheLinearScalingOfOldGgufFiles) {
  const auto scaling_of = [](const Result<ModelConfig>& config) {
    EXPECT_TRUE(config.ok()) << config.status().message();
    return std::pair(config->rope_scaling.kind, config->rope_scaling.factor);
  };
  using Kind = RopeScaling::Kind;
  EXPECT_EQ(scaling_of(config_with_rope({{"rope.scale_linear", 4.0F}})),
            std::pair(Kind::kLinear, 4.0));
  EXPECT_EQ(scaling_of(config_with_rope({{"rope.scaling.factor", 2.0F}})),
            std::pair(Kind::kLinear, 2.0));
  EXPECT_EQ(
      scaling_of(config_with_rope({{"rope.scale_linear", 4.0F}, {"rope.scaling.factor", 8.0F}})),
      std::pair(Kind::kLinear, 8.0));
  EXPECT_EQ(scaling_of(config_with_rope({{"rope.scale_linear", 0.0F}})).first, Kind::kNone);
  EXPECT_EQ(scaling_of(config_with_rope({{"rope.scale_linear", 4.0F}}, "none")).first, Kind::kNone);
  EXPECT_EQ(config_with_rope({{"rope.scaling.factor", 2.0F}}, "yarn").code(), Code::kUnsupported);
}

}  // namespace
}  // namespace panal::recipe
