#include "recipe/detail/optimizer_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace panal::recipe::detail {
namespace {

constexpr double kMostRate = 10.0;
constexpr double kMostMomentum = 0.99999;

std::vector<std::string> texts_of(std::span<const std::string_view> choices) {
  return {choices.begin(), choices.end()};
}

void read_setting(ConfigReader& section, const RuleSetting& setting, OptimizerConfig& config) {
  using enum RuleSetting::Kind;
  const std::optional<double> usual = setting.get(config);
  const double fallback = usual.value_or(setting.low);
  double value = fallback;
  switch (setting.kind) {
    case kNumber:
      value = section.number(setting.key, fallback, setting.low, setting.high);
      break;
    case kInteger:
      value = static_cast<double>(section.integer(setting.key, static_cast<std::int64_t>(fallback),
                                                  static_cast<std::int64_t>(setting.low),
                                                  static_cast<std::int64_t>(setting.high)));
      break;
    case kFlag:
      value = section.flag(setting.key, fallback != 0) ? 1 : 0;
      break;
    case kChoice: {
      const std::string name = section.choice(
          setting.key, std::string(setting.choices[static_cast<std::size_t>(fallback)]),
          texts_of(setting.choices));
      value =
          static_cast<double>(std::ranges::find(setting.choices, name) - setting.choices.begin());
      break;
    }
  }
  if (usual || section.has(setting.key)) setting.set(config, value);
}

void read_settings(ConfigReader& section, std::span<const RuleSetting> settings,
                   OptimizerConfig& config) {
  for (const RuleSetting& setting : settings) read_setting(section, setting, config);
}

Json setting_json(const RuleSetting& setting, double value) {
  using enum RuleSetting::Kind;
  switch (setting.kind) {
    case kNumber:
      return value;
    case kInteger:
      return static_cast<std::int64_t>(value);
    case kFlag:
      return value != 0;
    case kChoice:
      return setting.choices[static_cast<std::size_t>(value)];
  }
  return nullptr;
}

void add_settings(std::span<const RuleSetting> settings, const OptimizerConfig& config,
                  Json& json) {
  for (const RuleSetting& setting : settings) {
    const std::optional<double> value = setting.get(config);
    if (value) json[std::string(setting.key)] = setting_json(setting, *value);
  }
}

Assignment read_assignment(ConfigReader& line) {
  Assignment found;
  found.match = line.required_text("match");
  if (!line.has("rule")) line.reject("rule", "is missing; it must name the rule of the line");
  found.rule = rule_from_name(line.choice("rule", "adamw", rule_names())).value();
  const RuleAccess& access = found.rule.descriptor().access;
  const auto read = [&](const char* key, double low, double high, std::optional<double>& value) {
    const double number = line.number(key, low, low, high);
    if (line.has(key)) value = number;
  };
  read("learning_rate", 0.0, kMostRate, found.learning_rate);
  if (access.weight_decay != nullptr) read("weight_decay", 0.0, kMostRate, found.weight_decay);
  if (access.radius != nullptr) read("radius", 1e-6, 1e6, found.radius);
  if (access.norm != nullptr) {
    const std::string norm = line.choice("norm", "auto", texts_of(norm_names()));
    if (line.has("norm")) found.norm = norm_from_name(norm).value();
  }
  return found;
}

void read_ema_nesterov(ConfigReader& top, RunConfig& config) {
  ConfigReader section = top.section("ema_nesterov");
  auto& ema = config.optimizer.ema_nesterov;
  const double usual = top.has("ema_nesterov") ? 0.6 : 0.0;
  ema.extrapolation = section.number("extrapolation", usual, 0.0, 100.0);
  ema.keep = section.number("keep", ema.keep, 0.0, kMostMomentum);
  ema.begin_step = section.integer("begin_step", ema.begin_step, 0, 1'000'000'000);
  const bool has_own = std::ranges::any_of(rules(), [&](Rule rule) {
    return config.optimizer.uses(rule) && rule.descriptor().extrapolation;
  });
  if (ema.extrapolation > 0 && has_own) {
    top.reject("ema_nesterov",
               "goes on top of any rule but transported_scion, which extrapolates by itself");
  }
}

void read_qk_clip(ConfigReader& top, RunConfig& config) {
  ConfigReader section = top.section("qk_clip");
  QkClipConfig clip;
  clip.threshold = section.number("threshold", clip.threshold, 1.0, 1e6);
  clip.alpha = section.number("alpha", clip.alpha, 0.0, 1.0);
  if (!top.has("qk_clip")) return;
  if (config.kind == RunKind::kLora) {
    top.reject("qk_clip", "scales weights of the core, which an adapter leaves as they are");
  } else if (config.model.dimensions.qk_norm) {
    top.reject("qk_clip", "has no use in a model with model.qk_norm, which bounds the logits");
  }
  config.qk_clip = clip;
}

Json assignment_json(const Assignment& line) {
  Json json = {{"match", line.match}, {"rule", rule_name(line.rule)}};
  if (line.learning_rate) json["learning_rate"] = *line.learning_rate;
  if (line.weight_decay) json["weight_decay"] = *line.weight_decay;
  if (line.norm) json["norm"] = norm_name(*line.norm);
  if (line.radius) json["radius"] = *line.radius;
  return json;
}

}  // namespace

void read_optimizer(ConfigReader section, RunConfig& config) {
  OptimizerConfig& optimizer = config.optimizer;
  optimizer.rule =
      rule_from_name(section.choice("rule", std::string(rule_name(optimizer.rule)), rule_names()))
          .value();
  for (ConfigReader& line : section.sections("rules")) {
    optimizer.assignments.push_back(read_assignment(line));
  }
  config.clip_norm = section.number("clip_norm", config.clip_norm, 0.0, 1e9);
  const std::string state = section.choice("state_precision", "fp32", {"fp32", "bf16"});
  optimizer.state_precision =
      state == "bf16" ? tensor::Precision::kBFloat16 : tensor::Precision::kFloat32;
  // The keys of a rule that nothing uses are a mistake, and unknown.
  if (optimizer.makes_orthogonal()) {
    read_settings(section, newton_schulz_settings(), optimizer);
    optimizer.muon.precision = config.precision;
  }
  for (const Rule rule : rules()) {
    if (!optimizer.uses(rule)) continue;
    const RuleDescriptor& descriptor = rule.descriptor();
    ConfigReader own = descriptor.section.empty() ? section : section.section(descriptor.section);
    read_settings(own, descriptor.settings, optimizer);
  }
  read_ema_nesterov(section, config);
  read_qk_clip(section, config);
}

Json optimizer_json(const RunConfig& config) {
  const OptimizerConfig& optimizer = config.optimizer;
  Json json = {{"rule", rule_name(optimizer.rule)},
               {"clip_norm", config.clip_norm},
               {"state_precision", tensor::precision_name(optimizer.state_precision)}};
  if (optimizer.makes_orthogonal()) add_settings(newton_schulz_settings(), optimizer, json);
  for (const Rule rule : rules()) {
    if (!optimizer.uses(rule)) continue;
    const RuleDescriptor& descriptor = rule.descriptor();
    Json& own = descriptor.section.empty() ? json : json[std::string(descriptor.section)];
    add_settings(descriptor.settings, optimizer, own);
  }
  if (optimizer.ema_nesterov.extrapolation > 0) {
    json["ema_nesterov"] = {{"extrapolation", optimizer.ema_nesterov.extrapolation},
                            {"keep", optimizer.ema_nesterov.keep},
                            {"begin_step", optimizer.ema_nesterov.begin_step}};
  }
  if (config.qk_clip) {
    json["qk_clip"] = {{"threshold", config.qk_clip->threshold}, {"alpha", config.qk_clip->alpha}};
  }
  for (const auto& line : optimizer.assignments) json["rules"].push_back(assignment_json(line));
  return json;
}

}  // namespace panal::recipe::detail
