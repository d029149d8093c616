// Every rule against its formula written again in double precision, on the way down a small
// quadratic; exact bfloat16 masters; the evaluation point; QK-clip against a loop.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "optim/detail/newton_schulz.h"
#include "optim/optimizer.h"
#include "optim/qk_clip.h"
#include "tensor/named_tensor.h"

namespace panal::optim {
namespace {

using tensor::NamedTensor;

constexpr std::int64_t kRows = 6, kColumns = 10;
constexpr double kRate = 0.02, kDecay = 0.1, kMomentum = 0.9, kExtrapolation = 1.5;

// U V^T in double precision by another way than Newton-Schulz: what the exact schedule converges
// to.
at::Tensor polar(const at::Tensor& matrix) {
  const auto [u, s, v] = at::linalg_svd(matrix.to(at::kDouble), /*full_matrices=*/false);
  return at::matmul(u, v);
}

// One rule in double precision, for the parameter "layer.weight" [6, 10].
struct Reference {
  recipe::Rule rule = recipe::Rule::kMuon;
  recipe::Norm norm = recipe::Norm::kSpectral;
  double ema_extrapolation = 0;
  bool is_cautious = false;
  at::Tensor w, m, v, d;  // d: last displacement, or the average of EMA-Nesterov.
  int t = 0;

  explicit Reference(const at::Tensor& start)
      : w(start.to(at::kDouble)),
        m(at::zeros_like(w)),
        v(at::zeros({kRows, 1}, at::kDouble)),
        d(at::zeros_like(w)) {}

  at::Tensor live() const {
    if (rule == recipe::Rule::kTransportedScion) return w + kExtrapolation * d;
    return w + ema_extrapolation * d;
  }

  at::Tensor ball(const at::Tensor& g) const {
    if (norm == recipe::Norm::kSign) return g.sign() / kColumns;
    if (norm == recipe::Norm::kColumn) return g / g.square().mean(0, true).sqrt();
    if (norm == recipe::Norm::kRow)
      return g / (g.square().sum(1, true).sqrt() * std::sqrt(kColumns * 1.0));
    if (norm == recipe::Norm::kBiasRms) return g / g.square().mean().sqrt();
    return polar(g) * std::sqrt(kRows * 1.0 / kColumns);
  }

  at::Tensor decayed(const at::Tensor& at_point, const at::Tensor& change) const {
    const at::Tensor all = at_point * (1 - kRate * kDecay);
    return is_cautious ? at::where(change * at_point < 0, at_point, all) : all;
  }

  void step(const at::Tensor& gradient) {
    const at::Tensor g = gradient.to(at::kDouble), before = w.clone(), ahead = live();
    m = kMomentum * m + (1 - kMomentum) * g;
    ++t;
    if (rule == recipe::Rule::kTransportedScion) {
      w = decayed(w, ball(m)) - kRate * ball(m);
      d = w - before;
      return;
    }
    if (rule == recipe::Rule::kScion) {
      w = w * (1 - kRate) - kRate * 5.0 * ball(m);
      return;
    }
    at::Tensor change = polar((1 - kMomentum) * g + kMomentum * m);
    if (rule == recipe::Rule::kNorMuon) {
      v = 0.95 * v + 0.05 * change.square().mean(1, true);
      const at::Tensor even = change / (v.sqrt() + 1e-8);
      change = even * (change.norm() / even.norm());
    }
    // EMA-Nesterov takes the rule at the point ahead.
    w = decayed(ahead, change) - kRate * change;
    d = 0.99 * d + 0.01 * (w - before);
  }
};

recipe::OptimizerConfig config_of(const Reference& reference) {
  recipe::OptimizerConfig config{.rule = reference.rule};
  config.muon = {.learning_rate = kRate,
                 .momentum = kMomentum,
                 .newton_schulz_steps = 20,
                 .weight_decay = kDecay,
                 .orthogonalization = recipe::Orthogonalization::kExact,
                 .has_cautious_decay = reference.is_cautious};
  config.scion = {
      .learning_rate = kRate, .momentum = kMomentum, .radius = 5.0, .norm = reference.norm};
  config.transported_scion = {.learning_rate = kRate,
                              .momentum = kMomentum,
                              .weight_decay = kDecay,
                              .norm = reference.norm,
                              .extrapolation = kExtrapolation,
                              .extrapolation_warmup_steps = 0};
  config.ema_nesterov.extrapolation = reference.ema_extrapolation;
  return config;
}

NamedTensor layer(std::uint64_t seed) {
  at::manual_seed(seed);
  return {"layer.weight", at::randn({kRows, kColumns}).mul_(0.5).set_requires_grad(true)};
}

// 200 steps down |W - target|^2 with noise, both sides fed the gradient of the optimizer's point.
double distance_after(Reference reference, int steps) {
  std::vector<NamedTensor> parameters{layer(21)};
  const at::Tensor wanted = at::randn({kRows, kColumns});
  const auto optimizer = make_optimizer(config_of(reference), parameters);
  for (int step = 0; step < steps; ++step) {
    at::Tensor& value = parameters[0].value;
    value.mutable_grad() = (value.detach() - wanted) + 0.3 * at::randn({kRows, kColumns});
    reference.step(value.grad());
    optimizer->step(1.0);
  }
  optimizer->show_evaluation_point();
  const at::Tensor found = parameters[0].value.detach().to(at::kDouble);
  optimizer->show_training_point();
  return (found - reference.w).abs().max().item<double>();
}

TEST(Rules, FollowTheirFormulasInDoublePrecision) {
  const at::Tensor start = layer(21).value.detach();
  for (const recipe::Rule rule : {recipe::Rule::kMuon, recipe::Rule::kNorMuon, recipe::Rule::kScion,
                                  recipe::Rule::kTransportedScion}) {
    for (const recipe::Norm norm :
         {recipe::Norm::kSpectral, recipe::Norm::kSign, recipe::Norm::kColumn, recipe::Norm::kRow,
          recipe::Norm::kBiasRms}) {
      const bool has_norms =
          rule == recipe::Rule::kScion || rule == recipe::Rule::kTransportedScion;
      if (!has_norms && norm != recipe::Norm::kSpectral) continue;
      Reference reference(start);
      reference.rule = rule;
      reference.norm = norm;
      // 2e-3 of weights near 1: Newton-Schulz in float32; Transported Scion rounds its buffer to 8
      // bits of a step of 0.02, and the sign of a momentum near 0 may differ for one step.
      EXPECT_LT(distance_after(reference, 6), 2e-3)
          << recipe::rule_name(rule) << " " << recipe::norm_name(norm);
      EXPECT_LT(distance_after(reference, 200), 2e-2)
          << recipe::rule_name(rule) << " " << recipe::norm_name(norm);
    }
  }
}

TEST(Rules, FollowTheirFormulasWithCautiousDecayAndAhead) {
  const at::Tensor start = layer(21).value.detach();
  for (const recipe::Rule rule : {recipe::Rule::kMuon, recipe::Rule::kNorMuon}) {
    Reference cautious(start);
    cautious.rule = rule;
    cautious.is_cautious = true;
    EXPECT_LT(distance_after(cautious, 6), 2e-3) << recipe::rule_name(rule);
    Reference ahead(start);
    ahead.rule = rule;
    ahead.ema_extrapolation = 3.0;
    EXPECT_LT(distance_after(ahead, 6), 2e-3) << recipe::rule_name(rule);
    EXPECT_LT(distance_after(ahead, 200), 2e-2) << recipe::rule_name(rule);
  }
}

at::Tensor singular_values(const at::Tensor& matrix, recipe::Orthogonalization kind, int steps) {
  const recipe::MuonConfig config{.newton_schulz_steps = steps, .orthogonalization = kind};
  return std::get<1>(at::linalg_svd(detail::orthogonalize(matrix.unsqueeze(0), config)[0]));
}

// Each published list does what it is for: the exact one gives the polar factor, the long Polar
// Express nearly so, the short one as close as five steps get.
TEST(Orthogonalize, ConvergesAsItsScheduleSays) {
  at::manual_seed(9);
  const at::Tensor matrix = at::randn({32, 64});
  const recipe::MuonConfig exact{.newton_schulz_steps = 12,
                                 .orthogonalization = recipe::Orthogonalization::kExact};
  EXPECT_LT((detail::orthogonalize(matrix.unsqueeze(0), exact)[0].to(at::kDouble) - polar(matrix))
                .abs()
                .max()
                .item<double>(),
            1e-4);
  const auto spread = [&](int steps) {
    const auto values = singular_values(matrix, recipe::Orthogonalization::kPolarExpress, steps);
    return std::max(values.max().item<double>() - 1, 1 - values.min().item<double>());
  };
  EXPECT_LT(spread(8), 2e-2);
  EXPECT_LT(spread(5), 0.15);
}

// The five steps of Polar Express written out in double, with coefficients from the paper's code.
TEST(Orthogonalize, PolarExpressEqualsItsListInDouble) {
  at::manual_seed(10);
  const at::Tensor matrix = at::randn({7, 12});
  at::Tensor x = matrix.to(at::kDouble) / (1.02 * matrix.norm().item<double>() + 1e-6);
  const double list[5][3] = {{8.156554524902461, -22.48329292557795, 15.878769915207462},
                             {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                             {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                             {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                             {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}};
  for (const auto& [a, b, c] : list) {
    const at::Tensor gram = at::matmul(x, x.t());
    x = a * x + at::matmul(b * gram + c * at::matmul(gram, gram), x);
  }
  const recipe::MuonConfig config{.orthogonalization = recipe::Orthogonalization::kPolarExpress};
  EXPECT_LT((detail::orthogonalize(matrix.unsqueeze(0), config)[0].to(at::kDouble) - x)
                .abs()
                .max()
                .item<double>(),
            1e-4);
}

TEST(Muon, OrthogonalizesTheBlocksOfAFusedAttentionOneByOne) {
  at::manual_seed(12);
  NamedTensor fused{"h.0.attn.c_attn.weight", at::zeros({4, 12}).set_requires_grad(true)};
  fused.value.mutable_grad() = at::randn({4, 12});
  std::vector<NamedTensor> parts;
  for (int i = 0; i < 3; ++i) {
    const at::Tensor gradient = fused.value.grad().narrow(1, 4 * i, 4).t().contiguous();
    parts.push_back({"part" + std::to_string(i), at::zeros({4, 4}).set_requires_grad(true)});
    parts.back().value.mutable_grad() = gradient;
  }
  const std::vector<NamedTensor> one{fused};
  make_optimizer({.rule = recipe::Rule::kMuon}, one)->step(1.0);
  make_optimizer({.rule = recipe::Rule::kMuon}, parts)->step(1.0);
  for (int i = 0; i < 3; ++i) {
    const at::Tensor block = fused.value.detach().narrow(1, 4 * i, 4).t();
    EXPECT_LT((block - parts[i].value.detach()).abs().max().item<double>(), 1e-6);
  }
}

std::map<std::string, at::Tensor> state_of(const Optimizer& optimizer) {
  std::map<std::string, at::Tensor> all;
  for (const auto& entry : optimizer.state()) all[entry.name] = entry.value;
  return all;
}

std::vector<recipe::OptimizerConfig> every_rule() {
  std::vector<recipe::OptimizerConfig> all;
  for (const recipe::Rule rule : {recipe::Rule::kAdamW, recipe::Rule::kMuon, recipe::Rule::kNorMuon,
                                  recipe::Rule::kScion, recipe::Rule::kTransportedScion}) {
    all.push_back({.rule = rule});
    all.back().state_precision = tensor::Precision::kBFloat16;
    all.push_back({.rule = rule});
    if (rule == recipe::Rule::kTransportedScion) continue;
    all.push_back({.rule = rule});
    all.back().ema_nesterov.extrapolation = 0.6;
  }
  return all;
}

// The promise of 4 bytes a weight: bfloat16 and remainder are the float32 master, bit for bit.
TEST(Rules, KeepBfloat16WeightsExactlyAsAFloat32Master) {
  for (const auto& config : every_rule()) {
    at::manual_seed(31);
    const at::Tensor start = at::randn({kRows, kColumns}).to(at::kBFloat16);
    std::vector<NamedTensor> full{{"layer.weight", start.to(at::kFloat).set_requires_grad(true)}};
    std::vector<NamedTensor> half{{"layer.weight", start.clone().set_requires_grad(true)}};
    const auto of_full = make_optimizer(config, full), of_half = make_optimizer(config, half);
    for (int step = 0; step < 5; ++step) {
      half[0].value.mutable_grad() = at::randn({kRows, kColumns}).to(at::kBFloat16);
      full[0].value.mutable_grad() = half[0].value.grad().to(at::kFloat);
      of_full->step(1.0);
      of_half->step(1.0);
      const at::Tensor exact = tensor::exact_values(
          {half[0].value.detach(), state_of(*of_half).at("remainder/layer.weight")});
      ASSERT_TRUE(at::equal(exact, full[0].value.detach())) << recipe::rule_name(config.rule);
    }
  }
}

// What checkpoints rest on, for weights in both forms.
TEST(Rules, GoOnBitEqualFromTheirState) {
  for (const auto& config : every_rule()) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      std::vector<NamedTensor> first{
          {"layer.weight", layer(41).value.detach().to(type).set_requires_grad(true)}};
      const auto original = make_optimizer(config, first);
      const auto advance = [&](Optimizer& optimizer, std::vector<NamedTensor>& parameters,
                               int step) {
        at::manual_seed(500 + step);
        parameters[0].value.mutable_grad() = at::randn({kRows, kColumns}).to(type);
        optimizer.step(1.0 / (1 + step), 0.5);
      };
      for (int step = 0; step < 3; ++step) advance(*original, first, step);
      std::vector<NamedTensor> second{
          {"layer.weight", first[0].value.detach().clone().set_requires_grad(true)}};
      const auto resumed = make_optimizer(config, second);
      resumed->set_num_steps(original->num_steps());
      const auto from = original->state(), to = resumed->state();
      ASSERT_EQ(from.size(), to.size());
      for (std::size_t i = 0; i < from.size(); ++i) to[i].value.copy_(from[i].value);
      for (int step = 3; step < 6; ++step) {
        advance(*original, first, step);
        advance(*resumed, second, step);
      }
      EXPECT_TRUE(at::equal(first[0].value, second[0].value)) << recipe::rule_name(config.rule);
    }
  }
}

// With states on the host: the same bits, also of what is saved, and nothing left on the device
// between steps.
TEST(Rules, KeepTheirStatesAtHomeOnTheHost) {
  for (const auto& config : every_rule()) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      const auto parameters_of = [&] {
        std::vector<NamedTensor> made;
        for (const std::uint64_t seed : {71, 72, 73}) {
          made.push_back({"layer" + std::to_string(seed) + ".weight",
                          layer(seed).value.detach().to(type).set_requires_grad(true)});
        }
        made.push_back({"layer.bias", at::ones({kColumns}).set_requires_grad(true)});
        return made;
      };
      std::vector<NamedTensor> near = parameters_of(), away = parameters_of();
      recipe::OptimizerConfig hosted = config;
      hosted.has_states_on_host = true;
      const auto first = make_optimizer(config, near), second = make_optimizer(hosted, away);
      for (int step = 0; step < 3; ++step) {
        for (std::size_t i = 0; i < near.size(); ++i) {
          // The third has no gradient in the second step: it is passed over.
          if (step == 1 && i == 2) {
            near[i].value.mutable_grad() = away[i].value.mutable_grad() = at::Tensor();
            continue;
          }
          near[i].value.mutable_grad() =
              at::randn(near[i].value.sizes()).to(near[i].value.scalar_type());
          away[i].value.mutable_grad() = near[i].value.grad().clone();
        }
        first->step(1.0 / (1 + step), 0.5);
        second->step(1.0 / (1 + step), 0.5);
      }
      const auto compare = [&](const char* when) {
        for (std::size_t i = 0; i < near.size(); ++i) {
          EXPECT_TRUE(at::equal(near[i].value, away[i].value))
              << recipe::rule_name(config.rule) << when;
        }
        const auto wanted = state_of(*first), found = state_of(*second);
        ASSERT_EQ(found.size(), wanted.size());
        for (const auto& [name, value] : found) {
          EXPECT_TRUE(at::equal(value, wanted.at(name))) << name << when;
        }
      };
      compare(" after steps");
      first->show_evaluation_point();
      second->show_evaluation_point();
      compare(" at the evaluation point");
      first->show_training_point();
      second->show_training_point();
      compare(" back at the training point");
    }
  }
}

TEST(EvaluationPoint, ComesAndGoesBitForBit) {
  for (const auto& config : every_rule()) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      std::vector<NamedTensor> parameters{
          {"layer.weight", layer(51).value.detach().to(type).set_requires_grad(true)}};
      const auto optimizer = make_optimizer(config, parameters);
      for (int step = 0; step < 3; ++step) {
        parameters[0].value.mutable_grad() = at::randn({kRows, kColumns}).to(type);
        optimizer->step(1.0);
      }
      const at::Tensor live = parameters[0].value.detach().clone();
      std::map<std::string, at::Tensor> before;
      for (const auto& [name, value] : state_of(*optimizer)) before[name] = value.clone();
      const bool is_ahead =
          config.rule == recipe::Rule::kTransportedScion || config.ema_nesterov.extrapolation > 0;
      EXPECT_EQ(optimizer->show_evaluation_point(), is_ahead);
      EXPECT_EQ(at::equal(parameters[0].value.detach(), live), !is_ahead)
          << recipe::rule_name(config.rule);
      EXPECT_THROW(optimizer->step(1.0), Error);
      optimizer->show_training_point();
      EXPECT_TRUE(at::equal(parameters[0].value.detach(), live));
      for (const auto& [name, value] : state_of(*optimizer)) {
        EXPECT_TRUE(at::equal(value, before.at(name))) << name;
      }
      optimizer->step(1.0);
    }
  }
}

// A scale handed to the rule is the same as gradients that were scaled.
TEST(Rules, TakeAScaleInPlaceOfScaledGradients) {
  for (const auto& config : every_rule()) {
    std::vector<NamedTensor> scaled{layer(61)}, plain{layer(61)};
    const auto first = make_optimizer(config, scaled), second = make_optimizer(config, plain);
    for (int step = 0; step < 3; ++step) {
      plain[0].value.mutable_grad() = at::randn({kRows, kColumns});
      scaled[0].value.mutable_grad() = plain[0].value.grad() * 4.0;
      first->step(1.0, 0.25);
      second->step(1.0, 1.0);
    }
    EXPECT_TRUE(at::equal(scaled[0].value, plain[0].value)) << recipe::rule_name(config.rule);
  }
}

TEST(Assignments, GiveEachParameterTheFirstLineThatMatches) {
  std::vector<NamedTensor> parameters{layer(71),
                                      {"lm_head.weight", at::zeros({8, 4}).set_requires_grad(true)},
                                      {"norm.weight", at::ones({4}).set_requires_grad(true)}};
  recipe::OptimizerConfig config{.rule = recipe::Rule::kMuon};
  config.assignments = {{.match = "lm_head",
                         .rule = recipe::Rule::kScion,
                         .learning_rate = 0.5,
                         .norm = recipe::Norm::kSign,
                         .radius = 2.0},
                        {.match = "norm", .rule = recipe::Rule::kScion}};
  const auto optimizer = make_optimizer(config, parameters);
  std::vector<std::string> names;
  for (const auto& entry : optimizer->state()) names.push_back(entry.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"muon.momentum/layer.weight", "scion.momentum/lm_head.weight",
                                      "scion.momentum/norm.weight"}));
  parameters[1].value.mutable_grad() = at::ones({8, 4});
  optimizer->step(1.0);
  // rate * radius / inputs
  EXPECT_FLOAT_EQ(parameters[1].value.detach()[0][0].item<float>(), -0.5f * 2.0f / 4.0f);
}

TEST(Assignments, RefuseWhatCannotBe) {
  const std::vector<NamedTensor> parameters{layer(71),
                                            {"norm.weight", at::ones({4}).set_requires_grad(true)}};
  const auto refused = [&](const recipe::Assignment& line) {
    recipe::OptimizerConfig config{.rule = recipe::Rule::kMuon};
    config.assignments = {line};
    EXPECT_THROW(make_optimizer(config, parameters), Error) << line.match;
  };
  refused({.match = "no such tensor", .rule = recipe::Rule::kMuon});
  refused({.match = "norm", .rule = recipe::Rule::kMuon});
  refused({.match = "norm", .rule = recipe::Rule::kScion, .norm = recipe::Norm::kSpectral});
  refused({.match = "layer", .rule = recipe::Rule::kScion, .weight_decay = 0.1});
  refused({.match = "layer", .rule = recipe::Rule::kMuon, .norm = recipe::Norm::kSign});
  refused({.match = "layer", .rule = recipe::Rule::kAdamW, .radius = 1.0});
  refused({.match = "layer", .rule = recipe::Rule::kMuon, .learning_rate = -1.0});
  recipe::OptimizerConfig twice{.rule = recipe::Rule::kTransportedScion};
  twice.ema_nesterov.extrapolation = 0.6;
  EXPECT_THROW(make_optimizer(twice, parameters), Error);
}

// Grouped heads, both storage orders, biases: against a loop over heads and elements.
TEST(QkClip, ScalesEachGroupAsALoopDoes) {
  constexpr std::int64_t kWidth = 2, kHeads = 4, kGroups = 2, kInputs = 3;
  for (const bool has_outputs_last : {false, true}) {
    at::manual_seed(81);
    at::Tensor q = at::randn({kHeads * kWidth, kInputs}),
               k = at::randn({kGroups * kWidth, kInputs});
    at::Tensor q_bias = at::randn({kHeads * kWidth}), k_bias = at::randn({kGroups * kWidth});
    at::Tensor wanted_q = q.clone(), wanted_k = k.clone();
    at::Tensor wanted_q_bias = q_bias.clone(), wanted_k_bias = k_bias.clone();
    const std::vector<float> logits{50, 400, 99, 100};
    for (std::int64_t group = 0; group < kGroups; ++group) {
      const double largest = std::max(logits[group * 2], logits[group * 2 + 1]);
      const double gamma = std::min(1.0, 100.0 / largest);
      for (std::int64_t i = 0; i < kWidth; ++i) {
        wanted_k[group * kWidth + i] *= std::pow(gamma, 0.75);
        wanted_k_bias[group * kWidth + i] *= std::pow(gamma, 0.75);
        for (std::int64_t head = 2 * group; head < 2 * group + 2; ++head) {
          wanted_q[head * kWidth + i] *= std::pow(gamma, 0.25);
          wanted_q_bias[head * kWidth + i] *= std::pow(gamma, 0.25);
        }
      }
    }
    const auto stored = [&](const at::Tensor& matrix) {
      return has_outputs_last ? matrix.t().contiguous() : matrix;
    };
    const ClippedAttention attention{
        .queries = {.weight = {stored(q)}, .has_outputs_last = has_outputs_last, .bias = q_bias},
        .keys = {.weight = {stored(k)}, .has_outputs_last = has_outputs_last, .bias = k_bias},
        .heads = kHeads,
        .key_value_heads = kGroups,
        .head_width = kWidth};
    EXPECT_EQ(clip_queries_and_keys(attention, logits, {.threshold = 100, .alpha = 0.25}), 1);
    EXPECT_TRUE(at::allclose(attention.queries.weight.value, stored(wanted_q)));
    EXPECT_TRUE(at::allclose(attention.keys.weight.value, stored(wanted_k)));
    EXPECT_TRUE(at::allclose(q_bias, wanted_q_bias));
    EXPECT_TRUE(at::allclose(k_bias, wanted_k_bias));
    const std::vector<float> few{1};
    EXPECT_THROW(clip_queries_and_keys(attention, few, {}), Error);
    EXPECT_THROW(clip_queries_and_keys(attention, logits, {.threshold = 0}), Error);
  }
}

}  // namespace
}  // namespace panal::optim
