#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "contest/optimizer_benchmark.h"
#include "engine/commands/commands.h"
#include "engine/event_forwarder.h"

namespace panal::engine {
namespace {

constexpr std::int64_t kMost = 1 << 24;

// LLaMA with a tied head: what such small models spend on embeddings is spent once.
Result<recipe::ModelConfig> model_of(const Json& spec) {
  recipe::ModelConfig model;
  PANAL_ASSIGN(model.layers, json_integer(spec, "layers", "job", 1, 1024));
  PANAL_ASSIGN(model.width, json_integer(spec, "width", "job", 1, 1 << 16));
  PANAL_ASSIGN(model.heads, json_integer(spec, "heads", "job", 1, 1024));
  PANAL_ASSIGN(model.vocabulary_size, json_integer(spec, "vocab", "job", 300, kMost));
  PANAL_ASSIGN(model.context_length, json_integer(spec, "context", "job", 2, kMost));
  model.key_value_heads = model.heads;
  model.head_width = model.width / model.heads;
  model.feed_forward_width = recipe::usual_feed_forward_width(model.architecture, model.width);
  return model;
}

Result<std::vector<std::string>> texts_of(const Json& spec, const char* key) {
  if (!spec.contains(key) || !spec.at(key).is_array()) {
    return Status(Code::kInvalidArgument, std::string("job: \"") + key + "\" must be a list");
  }
  std::vector<std::string> texts;
  for (const Json& text : spec.at(key)) {
    if (!text.is_string()) {
      return Status(Code::kInvalidArgument,
                    std::string("job: \"") + key + "\" must hold texts, found " + json_shown(text));
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// {rule: [values]}; empty when the key is missing.
Result<std::map<std::string, std::vector<double>>> values_of(const Json& spec, const char* key) {
  std::map<std::string, std::vector<double>> values;
  if (!json_has(spec, key)) return values;
  for (const auto& [rule, list] : spec.at(key).items()) {
    for (const Json& value : list) {
      if (!value.is_number()) {
        return Status(
            Code::kInvalidArgument,
            std::string("job: \"") + key + "\" must hold numbers, found " + json_shown(value));
      }
      values[rule].push_back(value.get<double>());
    }
  }
  return values;
}

}  // namespace

Result<Json> benchmark_optimizers(const JobContext& job) {
  const Json& spec = job.spec;
  contest::OptimizerBenchmarkOptions options;
  PANAL_ASSIGN(const auto paths, texts_of(spec, "data"));
  options.data.assign(paths.begin(), paths.end());
  options.folder = job.folder / "tokens";
  PANAL_ASSIGN(options.rules, texts_of(spec, "rules"));
  if (json_has(spec, "target")) {
    PANAL_ASSIGN(options.target, json_number(spec, "target", "job", 0, 1e6));
  }
  PANAL_ASSIGN(options.seeds, json_integer(spec, "seeds", "job", 1, 1000));
  PANAL_ASSIGN(options.model, model_of(spec));
  PANAL_ASSIGN(options.sequences, json_integer(spec, "batch", "job", 1, 1 << 16));
  PANAL_ASSIGN(options.most_steps, json_integer(spec, "steps", "job", 1, 1'000'000'000));
  PANAL_ASSIGN(options.warmup_steps, json_integer(spec, "warmup", "job", 1, 1'000'000'000));
  PANAL_ASSIGN(options.evaluation_every, json_integer(spec, "every", "job", 1, 1'000'000));
  PANAL_ASSIGN(options.evaluation_tokens, json_integer(spec, "validation_tokens", "job", 2, kMost));
  PANAL_ASSIGN(const std::string precision, json_string(spec, "precision", "job"));
  if (precision == "bf16") options.precision = tensor::Precision::kBFloat16;
  PANAL_ASSIGN(options.learning_rates, values_of(spec, "learning_rates"));
  PANAL_ASSIGN(options.embedding_learning_rates, values_of(spec, "embedding_learning_rates"));
  PANAL_ASSIGN(options.extrapolations, values_of(spec, "extrapolations"));
  EventForwarder forwarder(job.events);
  PANAL_ASSIGN(const Json found,
               contest::benchmark_optimizers(options, SystemClock(), forwarder, job.stop));
  Json document = spec;
  document.update(found);
  return document;
}

}  // namespace panal::engine
