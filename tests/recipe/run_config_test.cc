// Run configs: defaults, round trip, and a table of mistakes with what the reader is told about
// each.
#include "recipe/run_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cpu/dispatch.h"
#include "recipe/presets.h"

namespace panal::recipe {
namespace {

using testing::HasSubstr;

constexpr const char* kPretrain =
    "kind: pretrain\n"
    "data: {path: text.txt}\n"
    "limits: {steps: 10}\n";
constexpr const char* kLora =
    "kind: lora\n"
    "model: {core: core}\n"
    "data: {paths: [a.jsonl, b.txt]}\n"
    "limits: {max_seconds: 80}\n";

TEST(RunConfig, FillsInWhatIsUsual) {
  const RunConfig config = parse_run_config(kPretrain, "run.yaml", "/base").value();
  EXPECT_EQ(config.kind, RunKind::kPretrain);
  EXPECT_EQ(config.data.paths.at(0), "/base/text.txt");
  EXPECT_EQ(config.model.dimensions.feed_forward_width,
            704);  // 256 * 8 / 3, up to a multiple of 64.
  EXPECT_EQ(config.model.dimensions.head_width, 64);
  EXPECT_EQ(config.model.dimensions.context_length, config.batch.context);
  EXPECT_EQ(config.limits.steps, 10);
  EXPECT_FALSE(config.limits.max_seconds.has_value());
}

TEST(RunConfig, DefaultsOfALoraAreItsOwn) {
  const RunConfig config = parse_run_config(kLora, "run.yaml").value();
  EXPECT_EQ(config.kind, RunKind::kLora);
  EXPECT_EQ(config.data.paths.size(), 2u);
  EXPECT_DOUBLE_EQ(config.optimizer.adamw.learning_rate, 2e-3);
  EXPECT_DOUBLE_EQ(config.optimizer.adamw.weight_decay, 0.0);
  EXPECT_EQ(config.lora.rank, 8);
  EXPECT_EQ(config.lora.base_model_name, "core");
}

// config.json in a run directory is read by the same parser: nothing may get lost on the way.
// "auto" becomes what this CPU has, so that a resume on another one is told the difference.
TEST(RunConfig, PrecisionIsWhatTheCpuHasUnlessSaid) {
  const auto precision = [](const std::string& line) {
    return parse_run_config(kPretrain + line, "run.yaml").value().precision;
  };
  const bool has_bfloat16 = machine::cpu_multiplies_bfloat16();
  EXPECT_EQ(precision("precision: fp32\n"), tensor::Precision::kFloat32);
  EXPECT_EQ(precision(""),
            has_bfloat16 ? tensor::Precision::kBFloat16 : tensor::Precision::kFloat32);
  EXPECT_EQ(precision("precision: auto\n"), precision(""));
  const auto forced = parse_run_config(std::string(kPretrain) + "precision: bf16\n", "run.yaml");
  EXPECT_EQ(forced.ok(), has_bfloat16);
  if (!has_bfloat16) {
    EXPECT_THAT(forced.status().message(), HasSubstr("no bfloat16 instructions"));
  }
}

// A run that is planned for another computer is not judged by this one's instructions.
TEST(RunConfig, PrecisionIsJudgedByTheComputerTheRunIsFor) {
  const std::string yaml = std::string(kPretrain) + "precision: bf16\nmemory: {weights: bf16}\n";
  kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512);
  const auto here = parse_run_config(yaml, "run.yaml");
  const auto usual = parse_run_config(kPretrain, "run.yaml");
  const RunsOn gpu{.multiplies_bfloat16 = true};
  const auto there = parse_run_config(yaml + "device: cuda\n", "run.yaml", "", gpu);
  const auto usual_there =
      parse_run_config(std::string(kPretrain) + "optimizer: {rule: muon}\n", "run.yaml", "", gpu);
  kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512BFloat16);
  EXPECT_THAT(here.status().message(), HasSubstr("no bfloat16 instructions"));
  EXPECT_EQ(usual->precision, tensor::Precision::kFloat32);
  ASSERT_TRUE(there.ok()) << there.status().message();
  EXPECT_EQ(there->memory.weights, tensor::Precision::kBFloat16);
  EXPECT_EQ(usual_there->precision, tensor::Precision::kBFloat16);
  EXPECT_EQ(usual_there->optimizer.muon.precision, tensor::Precision::kBFloat16);
}

TEST(RunConfig, ABatchInTokensIsItsPasses) {
  const auto batch = [](const std::string& line) {
    return parse_run_config(std::string(kPretrain) + line, "run.yaml").value().batch;
  };
  EXPECT_EQ(batch("batch: {sequences: 4, context: 256, tokens: 8192}\n").accumulate, 8);
  EXPECT_EQ(batch("batch: {sequences: 4, context: 256, tokens: 1024}\n").accumulate, 1);
}

TEST(RunConfig, MemoryIsKeptAsItIsUnlessSaid) {
  const RunConfig usual = parse_run_config(kPretrain, "run.yaml").value();
  EXPECT_EQ(usual.memory.weights, tensor::Precision::kFloat32);
  EXPECT_EQ(usual.memory.recompute, Recompute::kNone);
  const RunsOn with_bfloat16{.multiplies_bfloat16 = true};
  const RunConfig small =
      parse_run_config(
          std::string(kPretrain) + "precision: bf16\nmemory: {weights: bf16, recompute: full}\n",
          "run.yaml", "", with_bfloat16)
          .value();
  EXPECT_EQ(small.memory.weights, tensor::Precision::kBFloat16);
  EXPECT_EQ(small.memory.recompute, Recompute::kFull);
  const Json json = run_config_to_json(small);
  const auto again = parse_run_config(to_line(json), "config.json", "", with_bfloat16);
  EXPECT_EQ(run_config_to_json(again.value()), json);
}

TEST(RunConfig, ReadsSourcesWithTheirWeights) {
  const RunConfig config = parse_run_config(
                               "kind: pretrain\nlimits: {steps: 3}\n"
                               "data: {sources: [{name: a, path: x.txt}, {name: b, paths: [y, /z], "
                               "weight: 2.5}]}\n",
                               "run.yaml", "/base")
                               .value();
  EXPECT_TRUE(config.data.paths.empty());
  ASSERT_EQ(config.data.sources.size(), 2u);
  EXPECT_EQ(config.data.sources[0].paths.at(0), "/base/x.txt");
  EXPECT_DOUBLE_EQ(config.data.sources[0].weight, 1.0);
  EXPECT_EQ(config.data.sources[1].name, "b");
  EXPECT_EQ(config.data.sources[1].paths.at(1), "/z");
  EXPECT_DOUBLE_EQ(config.data.sources[1].weight, 2.5);
  EXPECT_EQ(config.data.packing, data::Packing::kAcrossDocuments);
}

TEST(RunConfig, ADeviceThatTrainingCannotUseIsRefusedWithItsLine) {
  for (const char* device : {"auto", "cpu"}) {
    const std::string yaml = std::string(kPretrain) + "device: " + device + "\n";
    EXPECT_TRUE(parse_run_config(yaml, "run.yaml").ok()) << device;
  }
  const RunsOn with_two{.multiplies_bfloat16 = true, .why_no_cuda = [](int processes) {
                          return processes <= 2 ? "" : fmt::format("{} want one each", processes);
                        }};
  const std::string cuda = std::string(kPretrain) + "device: cuda\n";
  EXPECT_TRUE(parse_run_config(cuda + "parallel: {processes: 2}\n", "run.yaml", "", with_two).ok());
  const auto three =
      parse_run_config(cuda + "parallel: {processes: 3}\n", "run.yaml", "", with_two);
  EXPECT_EQ(three.code(), Code::kInvalidArgument);
  EXPECT_THAT(three.status().message(), HasSubstr("must be auto or cpu here: 3 want one each"));
  EXPECT_THAT(three.status().message(), HasSubstr("run.yaml:"));
  EXPECT_FALSE(parse_run_config(std::string(kPretrain) + "device: xpu\n", "run.yaml").ok());
}

TEST(RunConfig, ComesBackFromItsJson) {
  const std::string muon =
      std::string(kPretrain) +
      "optimizer: {rule: muon, muon_scale: match_adamw, momentum: 0.9}\n"
      "schedule: {shape: wsd, warmup_steps: 3, decay_fraction: 0.4}\n"
      "checkpoint: {every_steps: 7, keep_every_steps: 14, keep_best: true, verify: true, "
      "asynchronous: false}\nmemory: {recompute: selective}\nseed: 42\n";
  const std::string mixture =
      "kind: pretrain\nlimits: {steps: 3}\n"
      "data:\n  packing: within_documents\n  deduplicate: near\n  near_threshold: 0.7\n  sources:\n"
      "    - {name: web, path: web.jsonl, weight: 0.7}\n"
      "    - {name: books_2, paths: [a.txt, b], weight: 0.30000000000000004}\n";
  const std::string modern =
      std::string(kPretrain) +
      "model: {preset: llama-0.2b, layers: 3, qk_norm: true, activation: relu_squared, "
      "logit_soft_cap: 30, attention_bias: true, attention_output_bias: true, "
      "rope_scaling: {kind: linear, factor: 4}}\n";
  const std::string large = std::string(kPretrain) + "model: {preset: llama-8b}\n";
  const std::string gpt2 =
      std::string(kPretrain) + "model: {preset: gpt2-355m, activation: relu_squared}\n";
  for (const std::string& yaml :
       {std::string(kPretrain), muon, modern, large, gpt2, std::string(kLora), mixture}) {
    const Json json = run_config_to_json(parse_run_config(yaml, "run.yaml").value());
    const auto again = parse_run_config(to_line(json), "config.json");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(run_config_to_json(*again), json);
    const auto& dimensions = parse_run_config(yaml, "run.yaml")->model.dimensions;
    EXPECT_EQ(again->model.dimensions, dimensions);
  }
}

TEST(RunConfig, APresetIsTheModelAndEveryDimensionCanDiffer) {
  const auto dimensions = [](const std::string& model) {
    return parse_run_config(std::string(kPretrain) + "model: " + model + "\n", "run.yaml")
        .value()
        .model.dimensions;
  };
  for (const Preset& preset : presets()) {
    EXPECT_EQ(dimensions(fmt::format("{{preset: {}}}", preset.name)), preset.config) << preset.name;
  }
  ModelConfig wanted = find_preset("llama-8b")->config;
  wanted.layers = 2;
  wanted.context_length = 512;
  wanted.rope_scaling = {};
  wanted.qk_norm = true;
  EXPECT_EQ(dimensions("{preset: llama-8b, layers: 2, context_length: 512, qk_norm: true, "
                       "rope_scaling: {kind: none}}"),
            wanted);
  // A narrower one gets the feed-forward part that fits it.
  const ModelConfig narrow = dimensions("{preset: llama-8b, width: 512, heads: 8}");
  EXPECT_EQ(narrow.feed_forward_width, 1408);
  EXPECT_EQ(narrow.head_width, 64);
  // Two matrices of 4 times the width hold about what three of 8/3 do.
  EXPECT_EQ(dimensions("{width: 128, activation: gelu}").feed_forward_width, 512);
}

struct Mistake {
  const char* yaml;
  const char* told;
};

class RunConfigMistake : public testing::TestWithParam<Mistake> {};

TEST_P(RunConfigMistake, IsToldWithItsKey) {
  const auto parsed = parse_run_config(GetParam().yaml, "run.yaml");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.code(), Code::kInvalidArgument);
  EXPECT_THAT(parsed.status().message(), HasSubstr("run.yaml"));
  EXPECT_THAT(parsed.status().message(), HasSubstr(GetParam().told));
}

#define SOURCES "kind: pretrain\nlimits: {steps: 1}\ndata: {sources: ["
#define PRETRAIN "kind: pretrain\ndata: {path: t}\nlimits: {steps: 1}\n"
#define LORA "kind: lora\nmodel: {core: c}\ndata: {path: t}\nlimits: {steps: 1}\n"

INSTANTIATE_TEST_SUITE_P(
    Table, RunConfigMistake,
    testing::Values(
        Mistake{"", "\"kind\" is missing"}, Mistake{"kind: finetune\n", "one of pretrain, lora"},
        Mistake{"kind: pretrain\nlimits: {steps: 1}\n", "data.path"},
        Mistake{"kind: pretrain\ndata: {path: t}\n", "\"limits.steps\""},
        Mistake{PRETRAIN "optimizer: {learing_rate: 1e-3}\n", "did you mean \"learning_rate\"?"},
        Mistake{PRETRAIN "optimzer: {rule: muon}\n", "did you mean \"optimizer\"?"},
        Mistake{PRETRAIN "optimizer: {momentum: 0.9}\n", "unknown key \"optimizer.momentum\""},
        Mistake{PRETRAIN "optimizer: {rule: sgd}\n", "one of adamw, muon"},
        Mistake{PRETRAIN "optimizer: {beta1: 1.5}\n", "optimizer.beta1"},
        Mistake{PRETRAIN "optimizer: {learning_rate: fast}\n", "found \"fast\""},
        Mistake{PRETRAIN "model: {width: 100, heads: 3}\n", "model.width"},
        Mistake{PRETRAIN "model: {heads: 4, key_value_heads: 3}\n", "model.width"},
        Mistake{PRETRAIN "model: {layers: 0}\n", "must be an integer from 1"},
        Mistake{PRETRAIN "batch: {sequences: 4, context: 256, tokens: 1500}\n",
                "sequences x context = 1024, found 1500"},
        Mistake{PRETRAIN "batch: {tokens: 4096, accumulate: 2}\n", "takes the place"},
        Mistake{PRETRAIN "model: {context_length: 16}\n", "at least batch.context 256, found 16"},
        Mistake{PRETRAIN "model: {preset: gpt2-7b}\n",
                "run.yaml:4: \"model.preset\" must be one of gpt2-124m, gpt2-355m"},
        Mistake{PRETRAIN "model: {presett: gpt2-124m}\n", "did you mean \"preset\"?"},
        Mistake{PRETRAIN "model: {preset: gpt2-124m, architecture: llama}\n", "must be gpt2"},
        Mistake{PRETRAIN "model: {preset: gpt2-124m, heads: 7}\n", "multiple of its heads"},
        Mistake{PRETRAIN "model: {width: -8}\n", "model.width"},
        Mistake{PRETRAIN "model: {heads: 0}\n", "model.heads"},
        Mistake{PRETRAIN "model: {layers: 99999999999}\n", "model.layers"},
        Mistake{PRETRAIN "model: {architecture: gpt2, qk_norm: true}\n", "model.qk_norm"},
        Mistake{PRETRAIN "model: {architecture: gpt2, activation: swiglu}\n",
                "one of gelu, relu_squared"},
        Mistake{PRETRAIN "model: {activation: maxout}\n", "one of swiglu, gelu, relu_squared"},
        Mistake{PRETRAIN "model: {logit_soft_cap: 0.1}\n", "model.logit_soft_cap"},
        Mistake{PRETRAIN "model: {logit_soft_cap: -30}\n", "model.logit_soft_cap"},
        Mistake{PRETRAIN "model: {rope_scaling: {kind: yarn}}\n", "one of none, linear, llama3"},
        Mistake{PRETRAIN "model: {rope_scaling: {kind: linear, factor: 0}}\n",
                "model.rope_scaling.factor"},
        Mistake{PRETRAIN "model: {rope_scaling: {factor: 2}}\n",
                "unknown key \"model.rope_scaling.factor\""},
        Mistake{PRETRAIN "model: {attention_output_bias: true}\n", "q, k and v"},
        Mistake{PRETRAIN "model: small\n", "must be a mapping"},
        Mistake{PRETRAIN "lora: {rank: 8}\n", "unknown key \"lora\""},
        Mistake{PRETRAIN "tokenizer: {path: t, vocabulary_size: 500}\n",
                "tokenizer.vocabulary_size"},
        Mistake{PRETRAIN "schedule: {shape: sawtooth}\n", "constant, linear, cosine, wsd"},
        Mistake{PRETRAIN "schedule: {warmup_steps: 2, warmup_fraction: 0.1}\n", "the same thing"},
        Mistake{PRETRAIN "batch: {sequences: 0}\n", "batch.sequences"},
        Mistake{PRETRAIN "memory: {weights: bf16}\nprecision: fp32\n",
                "run.yaml:4: \"memory.weights\" must be fp32 beside precision fp32"},
        Mistake{LORA "memory: {weights: bf16}\n", "\"memory.weights\" must be fp32"},
        Mistake{PRETRAIN "memory: {weights: fp16}\n", "one of fp32, bf16"},
        Mistake{PRETRAIN "memory: {recompute: some}\n", "one of none, selective, full"},
        Mistake{PRETRAIN "checkpoint: {keep: 0}\n", "checkpoint.keep"},
        Mistake{PRETRAIN "checkpoint: {every_steps: 100, keep_every_steps: 250}\n",
                "must be a multiple of checkpoint.every_steps 100, found 250"},
        Mistake{PRETRAIN "checkpoint: {keep_best: often}\n", "checkpoint.keep_best"},
        Mistake{"kind: pretrain\ndata: {path: t, paths: [u]}\nlimits: {steps: 1}\n", "one of them"},
        Mistake{SOURCES "{name: a, path: t, weight: 0}]}\n",
                "run.yaml:3: \"data.sources[0].weight\" must be a number from 1e-09"},
        Mistake{SOURCES "{name: a, path: t, weight: -1}]}\n", "found \"-1\""},
        Mistake{SOURCES "{name: a, path: t, weight: .nan}]}\n", "found \".nan\""},
        Mistake{SOURCES "{name: a, path: t},\n  {name: a, path: u}]}\n",
                "run.yaml:4: \"data.sources[1].name\" must be unlike the others"},
        Mistake{SOURCES "{name: ../a, path: t}]}\n", "letters, digits"},
        Mistake{SOURCES "{name: a, weight: 1}]}\n", "data.sources[0].path"},
        Mistake{SOURCES "{path: t}]}\n", "data.sources[0].name"},
        Mistake{SOURCES "{name: a, path: t, wieght: 2}]}\n",
                "run.yaml:3: unknown key \"data.sources[0].wieght\"; did you mean \"weight\"?"},
        Mistake{SOURCES "]}\n", "run.yaml:3: \"data.sources\" must be a list of 1 to 256"},
        Mistake{SOURCES "t]}\n", "must be a list of mappings, found \"t\""},
        Mistake{"kind: pretrain\ndata: {sources: {a: t}}\nlimits: {steps: 1}\n",
                "must be a list of mappings, found a mapping"},
        Mistake{"kind: pretrain\ndata: {path: t, sources: [{name: a, path: t}]}\n"
                "limits: {steps: 1}\n",
                "one of them"},
        Mistake{"kind: pretrain\ndata: {path: t, deduplicate: all}\nlimits: {steps: 1}\n",
                "must be one of off, exact, near"},
        Mistake{"kind: pretrain\ndata: {path: t, near_threshold: 0.2}\nlimits: {steps: 1}\n",
                "data.near_threshold"},
        Mistake{"kind: pretrain\ndata: {path: t, packing: tight}\nlimits: {steps: 1}\n",
                "across_documents, within_documents"},
        Mistake{"kind: pretrain\ndata: {path: t, passage_bytes: 10}\nlimits: {steps: 1}\n", "256"},
        Mistake{"kind: pretrain\ndata: {path: t}\nlimits: {max_seconds: .nan}\n",
                "limits.max_seconds"},
        Mistake{"kind: lora\ndata: {path: t}\nlimits: {steps: 1}\n", "model.core"},
        Mistake{LORA "lora: {rank: 0}\n", "lora.rank"},
        Mistake{LORA "lora: {targets: {a: 1}}\n", "lora.targets"},
        Mistake{LORA "tokenizer: {vocabulary_size: 500}\n", "unknown key \"tokenizer\""},
        Mistake{LORA "evaluation: {sample_tokens: 5}\n",
                "unknown key \"evaluation.sample_tokens\""}));

}  // namespace
}  // namespace panal::recipe
