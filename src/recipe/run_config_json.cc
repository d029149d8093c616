// A config as data: written into the run directory, compared on a resume, and read back by the same
// strict parser.
#include "recipe/run_config.h"

#include "recipe/detail/optimizer_section.h"

namespace panal::recipe {
namespace {

Json rope_scaling_json(const RopeScaling& scaling) {
  using Kind = RopeScaling::Kind;
  Json json = {{"kind", rope_scaling_name(scaling.kind)}};
  if (scaling.kind == Kind::kNone) return json;
  json["factor"] = scaling.factor;
  if (scaling.kind == Kind::kLinear) return json;
  json["low_frequency_factor"] = scaling.low_frequency_factor;
  json["high_frequency_factor"] = scaling.high_frequency_factor;
  json["original_context_length"] = scaling.original_context_length;
  return json;
}

Json dimensions_json(const ModelConfig& model) {
  return {{"architecture", architecture_name(model.architecture)},
          {"width", model.width},
          {"layers", model.layers},
          {"heads", model.heads},
          {"key_value_heads", model.key_value_heads},
          {"head_width", model.head_width},
          {"feed_forward_width", model.feed_forward_width},
          {"context_length", model.context_length},
          {"rope_base", model.rope_base},
          {"norm_epsilon", model.norm_epsilon},
          {"rope_scaling", rope_scaling_json(model.rope_scaling)},
          {"tied_embeddings", model.tied_embeddings},
          {"attention_bias", model.attention_bias},
          {"attention_output_bias", model.attention_output_bias},
          {"qk_norm", model.qk_norm},
          {"activation", activation_name(model.actual_activation())},
          {"logit_soft_cap", model.logit_soft_cap}};
}

Json paths_json(const std::vector<std::filesystem::path>& paths) {
  Json json = Json::array();
  for (const auto& path : paths) json.push_back(path.string());
  return json;
}

Json data_json(const RunConfig::Data& data) {
  Json json = Json::object();
  if (data.sources.empty()) {
    json["paths"] = paths_json(data.paths);
  } else {
    json["sources"] = Json::array();
    for (const auto& source : data.sources) {
      json["sources"].push_back(
          {{"name", source.name}, {"paths", paths_json(source.paths)}, {"weight", source.weight}});
    }
  }
  json["deduplicate"] = data::deduplication_name(data.deduplicate);
  json["near_threshold"] = data.near_threshold;
  json["packing"] = data::packing_name(data.packing);
  json["text_column"] = data.text_column;
  json["train_on"] = data::train_on_name(data.train_on);
  json["special_tokens"] = !data.special_tokens                                       ? "as_marked"
                           : *data.special_tokens == tokenizer::SpecialTokens::kParse ? "read"
                                                                                      : "none";
  if (!data.validation_path.empty()) json["validation_path"] = data.validation_path.string();
  json["validation_fraction"] = data.validation_fraction;
  json["split_by"] = data.split_by_source ? "source" : "passage";
  json["passage_bytes"] = data.passage_bytes;
  json["max_bytes"] = data.max_bytes;
  return json;
}

Json schedule_json(const RunConfig::Schedule& schedule) {
  Json json = {{"shape", schedule_name(schedule.shape)}};
  if (schedule.warmup_steps) {
    json["warmup_steps"] = *schedule.warmup_steps;
  } else {
    json["warmup_fraction"] = schedule.warmup_fraction;
  }
  json["final_fraction"] = schedule.final_fraction;
  json["decay_fraction"] = schedule.decay_fraction;
  return json;
}

Json evaluation_json(const RunConfig& config) {
  const auto& evaluation = config.evaluation;
  Json json = {{"every_steps", evaluation.every_steps}, {"max_tokens", evaluation.max_tokens}};
  if (config.kind == RunKind::kPretrain) {
    json["sample_prompt"] = evaluation.sample_prompt;
    json["sample_tokens"] = evaluation.sample_tokens;
  }
  for (const auto& task : evaluation.tasks) {
    Json entry = {{"name", task.name},
                  {"path", task.path.string()},
                  {"format", data::choice_format_name(task.format)},
                  {"shots", task.options.shots},
                  {"limit", task.options.limit}};
    if (!task.options.shots_path.empty()) entry["shots_path"] = task.options.shots_path.string();
    json["tasks"].push_back(std::move(entry));
  }
  return json;
}

Json limits_json(const RunConfig::Limits& limits) {
  Json json = Json::object();
  if (limits.steps) json["steps"] = *limits.steps;
  if (limits.max_seconds) json["max_seconds"] = *limits.max_seconds;
  json["threads"] = limits.threads;
  return json;
}

}  // namespace

Json run_config_to_json(const RunConfig& config) {
  Json json = {{"kind", run_kind_name(config.kind)},
               {"name", config.name},
               {"seed", config.seed},
               {"precision", tensor::precision_name(config.precision)}};
  if (config.kind == RunKind::kLora) {
    json["model"] = {{"core", config.model.core.string()}};
    json["lora"] = {{"rank", config.lora.rank},
                    {"alpha", config.lora.alpha},
                    {"targets", config.lora.targets},
                    {"base_model_name", config.lora.base_model_name}};
  } else {
    json["model"] = dimensions_json(config.model.dimensions);
    json["tokenizer"] = config.tokenizer.path.empty()
                            ? Json{{"vocabulary_size", config.tokenizer.vocabulary_size}}
                            : Json{{"path", config.tokenizer.path.string()}};
  }
  json["data"] = data_json(config.data);
  json["optimizer"] = detail::optimizer_json(config);
  json["schedule"] = schedule_json(config.schedule);
  json["batch"] = {{"sequences", config.batch.sequences},
                   {"context", config.batch.context},
                   {"accumulate", config.batch.accumulate},
                   {"ramp_steps", config.batch.ramp_steps}};
  json["parallel"] = {{"processes", config.parallel.processes},
                      {"deadline_seconds", config.parallel.deadline_seconds},
                      {"exchange", config.parallel.is_through_host ? "host" : "auto"}};
  json["memory"] = {{"weights", tensor::precision_name(config.memory.weights)},
                    {"recompute", recompute_name(config.memory.recompute)},
                    {"states", config.memory.has_states_on_host ? "host" : "device"}};
  json["checkpoint"] = {{"every_steps", config.checkpoint.every_steps},
                        {"every_seconds", config.checkpoint.every_seconds},
                        {"keep", config.checkpoint.keep},
                        {"keep_every_steps", config.checkpoint.keep_every_steps},
                        {"keep_best", config.checkpoint.keep_best},
                        {"asynchronous", config.checkpoint.asynchronous},
                        {"verify", config.checkpoint.verify}};
  const auto& care = config.stability;
  json["stability"] = {{"skip_outliers", care.skip_outliers ? "auto" : "off"},
                       {"outlier_sigmas", care.outlier_sigmas},
                       {"window", care.window},
                       {"bad_steps", care.bad_steps},
                       {"loss_rise", care.loss_rise},
                       {"rollbacks", care.rollbacks}};
  json["evaluation"] = evaluation_json(config);
  json["limits"] = limits_json(config.limits);
  return json;
}

}  // namespace panal::recipe
