#include "recipe/detail/optimizer_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace panal::recipe::detail {
namespace {

constexpr double kMostRate = 10.0;
constexpr double kMostMomentum = 0.99999;
const std::vector<std::string> kNorms = {"auto", "spectral", "sign", "column", "row", "bias_rms"};

bool uses(const OptimizerConfig& config, Rule rule) {
  return config.rule == rule || std::ranges::any_of(config.assignments, [&](const auto& line) {
           return line.rule == rule;
         });
}
bool uses_muon(const OptimizerConfig& config) {
  return uses(config, Rule::kMuon) || uses(config, Rule::kNorMuon);
}
bool uses_newton_schulz(const OptimizerConfig& config) {
  return uses_muon(config) || uses(config, Rule::kScion) || uses(config, Rule::kTransportedScion);
}

Norm read_norm(ConfigReader& section, Norm fallback) {
  return norm_from_name(section.choice("norm", std::string(norm_name(fallback)), kNorms)).value();
}

Assignment read_assignment(ConfigReader& line) {
  Assignment found;
  found.match = line.required_text("match");
  if (!line.has("rule")) line.reject("rule", "is missing; it must name the rule of the line");
  found.rule = rule_from_name(line.choice("rule", "adamw", rule_names())).value();
  const bool is_scion = found.rule == Rule::kScion;
  const double rate = line.number("learning_rate", 0.0, 0.0, kMostRate);
  if (line.has("learning_rate")) found.learning_rate = rate;
  if (!is_scion) {
    const double decay = line.number("weight_decay", 0.0, 0.0, kMostRate);
    if (line.has("weight_decay")) found.weight_decay = decay;
  }
  if (is_scion || found.rule == Rule::kTransportedScion) {
    const Norm norm = read_norm(line, Norm::kAuto);
    if (line.has("norm")) found.norm = norm;
  }
  if (is_scion) {
    const double radius = line.number("radius", 1.0, 1e-6, 1e6);
    if (line.has("radius")) found.radius = radius;
  }
  return found;
}

void read_newton_schulz(ConfigReader& section, tensor::Precision precision, MuonConfig& muon) {
  const std::string kind =
      section.choice("newton_schulz", "original", {"original", "polar_express", "exact"});
  muon.orthogonalization = kind == "exact"           ? Orthogonalization::kExact
                           : kind == "polar_express" ? Orthogonalization::kPolarExpress
                                                     : Orthogonalization::kOriginal;
  const int usual = kind == "exact" ? 12 : muon.newton_schulz_steps;
  muon.newton_schulz_steps = static_cast<int>(section.integer("newton_schulz_steps", usual, 1, 20));
  muon.splits_fused_attention = section.flag("split_qkv", muon.splits_fused_attention);
  muon.has_cautious_decay = section.flag("cautious_weight_decay", muon.has_cautious_decay);
  muon.precision = precision;
}

void read_muon(ConfigReader& section, bool has_rows, MuonConfig& muon) {
  muon.learning_rate = section.number("muon_learning_rate", muon.learning_rate, 0.0, kMostRate);
  muon.momentum = section.number("momentum", muon.momentum, 0.0, kMostMomentum);
  muon.nesterov = section.flag("nesterov", muon.nesterov);
  muon.weight_decay = section.number("muon_weight_decay", muon.weight_decay, 0.0, 10.0);
  const bool matches_adamw =
      section.choice("muon_scale", "original", {"original", "match_adamw"}) == "match_adamw";
  muon.scale = matches_adamw ? MuonScale::kMatchAdamW : MuonScale::kOriginal;
  if (has_rows) muon.row_beta = section.number("row_beta", muon.row_beta, 0.0, kMostMomentum);
}

void read_scion(ConfigReader section, ScionConfig& scion) {
  scion.learning_rate = section.number("learning_rate", scion.learning_rate, 0.0, kMostRate);
  scion.momentum = section.number("momentum", scion.momentum, 0.0, kMostMomentum);
  scion.norm = read_norm(section, scion.norm);
  scion.is_constrained = section.flag("constrained", scion.is_constrained);
  const double radius = section.number("radius", 1.0, 1e-6, 1e6);
  if (section.has("radius")) scion.radius = radius;
}

void read_transported(ConfigReader section, TransportedScionConfig& rule) {
  rule.learning_rate = section.number("learning_rate", rule.learning_rate, 0.0, kMostRate);
  rule.momentum = section.number("momentum", rule.momentum, 0.0, kMostMomentum);
  rule.nesterov = section.flag("nesterov", rule.nesterov);
  rule.weight_decay = section.number("weight_decay", rule.weight_decay, 0.0, 10.0);
  rule.norm = read_norm(section, rule.norm);
  rule.extrapolation = section.number("extrapolation", rule.extrapolation, 0.0, 100.0);
  rule.extrapolation_warmup_steps = section.integer(
      "extrapolation_warmup_steps", rule.extrapolation_warmup_steps, 0, 1'000'000'000);
}

void read_ema_nesterov(ConfigReader& top, RunConfig& config) {
  ConfigReader section = top.section("ema_nesterov");
  auto& ema = config.optimizer.ema_nesterov;
  const double usual = top.has("ema_nesterov") ? 0.6 : 0.0;
  ema.extrapolation = section.number("extrapolation", usual, 0.0, 100.0);
  ema.keep = section.number("keep", ema.keep, 0.0, kMostMomentum);
  ema.begin_step = section.integer("begin_step", ema.begin_step, 0, 1'000'000'000);
  if (ema.extrapolation > 0 && uses(config.optimizer, Rule::kTransportedScion)) {
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

std::string_view orthogonalization_name(Orthogonalization kind) {
  if (kind == Orthogonalization::kExact) return "exact";
  return kind == Orthogonalization::kPolarExpress ? "polar_express" : "original";
}

Json assignment_json(const Assignment& line) {
  Json json = {{"match", line.match}, {"rule", rule_name(line.rule)}};
  if (line.learning_rate) json["learning_rate"] = *line.learning_rate;
  if (line.weight_decay) json["weight_decay"] = *line.weight_decay;
  if (line.norm) json["norm"] = norm_name(*line.norm);
  if (line.radius) json["radius"] = *line.radius;
  return json;
}

Json scion_json(const ScionConfig& scion) {
  Json json = {{"learning_rate", scion.learning_rate},
               {"momentum", scion.momentum},
               {"norm", norm_name(scion.norm)},
               {"constrained", scion.is_constrained}};
  if (scion.radius) json["radius"] = *scion.radius;
  return json;
}

Json transported_json(const TransportedScionConfig& rule) {
  return {{"learning_rate", rule.learning_rate},
          {"momentum", rule.momentum},
          {"nesterov", rule.nesterov},
          {"weight_decay", rule.weight_decay},
          {"norm", norm_name(rule.norm)},
          {"extrapolation", rule.extrapolation},
          {"extrapolation_warmup_steps", rule.extrapolation_warmup_steps}};
}

void add_muon_json(const OptimizerConfig& config, Json& json) {
  const auto& muon = config.muon;
  if (uses_newton_schulz(config)) {
    json["newton_schulz"] = orthogonalization_name(muon.orthogonalization);
    json["newton_schulz_steps"] = muon.newton_schulz_steps;
    json["split_qkv"] = muon.splits_fused_attention;
    json["cautious_weight_decay"] = muon.has_cautious_decay;
  }
  if (!uses_muon(config)) return;
  json["muon_learning_rate"] = muon.learning_rate;
  json["momentum"] = muon.momentum;
  json["nesterov"] = muon.nesterov;
  json["muon_weight_decay"] = muon.weight_decay;
  json["muon_scale"] = muon.scale == MuonScale::kMatchAdamW ? "match_adamw" : "original";
  if (uses(config, Rule::kNorMuon)) json["row_beta"] = muon.row_beta;
}

}  // namespace

void read_optimizer(ConfigReader section, RunConfig& config) {
  OptimizerConfig& optimizer = config.optimizer;
  auto& adamw = optimizer.adamw;
  optimizer.rule =
      rule_from_name(section.choice("rule", std::string(rule_name(optimizer.rule)), rule_names()))
          .value();
  for (ConfigReader& line : section.sections("rules")) {
    optimizer.assignments.push_back(read_assignment(line));
  }
  adamw.learning_rate = section.number("learning_rate", adamw.learning_rate, 0.0, kMostRate);
  adamw.beta1 = section.number("beta1", adamw.beta1, 0.0, kMostMomentum);
  adamw.beta2 = section.number("beta2", adamw.beta2, 0.0, 0.9999999);
  adamw.epsilon = section.number("epsilon", adamw.epsilon, 1e-20, 1e-2);
  adamw.weight_decay = section.number("weight_decay", adamw.weight_decay, 0.0, 10.0);
  config.clip_norm = section.number("clip_norm", config.clip_norm, 0.0, 1e9);
  const std::string state = section.choice("state_precision", "fp32", {"fp32", "bf16"});
  optimizer.state_precision =
      state == "bf16" ? tensor::Precision::kBFloat16 : tensor::Precision::kFloat32;
  // The keys of a rule that nothing uses are a mistake, and unknown.
  if (uses_newton_schulz(optimizer)) {
    read_newton_schulz(section, config.precision, optimizer.muon);
  }
  if (uses_muon(optimizer)) {
    read_muon(section, uses(optimizer, Rule::kNorMuon), optimizer.muon);
  }
  if (uses(optimizer, Rule::kScion)) read_scion(section.section("scion"), optimizer.scion);
  if (uses(optimizer, Rule::kTransportedScion)) {
    read_transported(section.section("transported_scion"), optimizer.transported_scion);
  }
  read_ema_nesterov(section, config);
  read_qk_clip(section, config);
}

Json optimizer_json(const RunConfig& config) {
  const OptimizerConfig& optimizer = config.optimizer;
  const auto& adamw = optimizer.adamw;
  Json json = {{"rule", rule_name(optimizer.rule)},
               {"learning_rate", adamw.learning_rate},
               {"beta1", adamw.beta1},
               {"beta2", adamw.beta2},
               {"epsilon", adamw.epsilon},
               {"weight_decay", adamw.weight_decay},
               {"clip_norm", config.clip_norm},
               {"state_precision", tensor::precision_name(optimizer.state_precision)}};
  add_muon_json(optimizer, json);
  if (uses(optimizer, Rule::kScion)) json["scion"] = scion_json(optimizer.scion);
  if (uses(optimizer, Rule::kTransportedScion)) {
    json["transported_scion"] = transported_json(optimizer.transported_scion);
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
