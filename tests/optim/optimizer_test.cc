// Update rules against torch.optim (goldens of tools/goldens/optim.py), a double-precision loop,
// and what a checkpoint needs of them.
#include "optim/optimizer.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "optim/detail/newton_schulz.h"
#include "recipe/memory_plan.h"
#include "tensor/named_tensor.h"
#include "tensor/tensor_file.h"

namespace panal::optim {
namespace {

using tensor::NamedTensor;

constexpr int kGoldenSteps = 6;

std::map<std::string, at::Tensor> golden(const std::string& name) {
  const auto path =
      std::filesystem::path(PANAL_TEST_DIR) / "golden/optim" / (name + ".safetensors");
  std::map<std::string, at::Tensor> tensors;
  const auto loaded = tensor::load_tensors(path);
  for (const auto& entry : loaded.value()) tensors[entry.name] = entry.value;
  return tensors;
}

std::vector<NamedTensor> starts_of(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<NamedTensor> parameters;
  for (const auto& [name, value] : tensors) {
    if (!name.starts_with("start/")) continue;
    parameters.push_back({name.substr(6), value.clone().set_requires_grad(true)});
  }
  return parameters;
}

// Takes the golden's steps and gives the largest difference to its end.
double distance_to_golden(const recipe::OptimizerConfig& config, const std::string& name) {
  const auto tensors = golden(name);
  auto parameters = starts_of(tensors);
  const auto optimizer = make_optimizer(config, parameters);
  for (int step = 0; step < kGoldenSteps; ++step) {
    for (auto& parameter : parameters) {
      const auto key = "gradient" + std::to_string(step) + "/" + parameter.name;
      parameter.value.mutable_grad() = tensors.at(key).clone();
    }
    optimizer->step(1.0 - step / (2.0 * kGoldenSteps));
  }
  double distance = 0;
  for (const auto& parameter : parameters) {
    const auto difference = parameter.value.detach() - tensors.at("end/" + parameter.name);
    distance = std::max(distance, difference.abs().max().item<double>());
  }
  return distance;
}

TEST(AdamW, EqualsTorch) {
  // 1e-6: float32 rounding over six updates of size 3e-3.
  EXPECT_LT(distance_to_golden({.rule = recipe::Rule::kAdamW}, "adamw"), 1e-6);
}

TEST(Muon, EqualsTorchInFloat32WithBothScales) {
  recipe::OptimizerConfig config{.rule = recipe::Rule::kMuon};
  // 2e-5: the order of float32 sums inside five matrix iterations, amplified by up to 3.4 each.
  EXPECT_LT(distance_to_golden(config, "muon_original"), 2e-5);
  config.muon.scale = recipe::MuonScale::kMatchAdamW;
  EXPECT_LT(distance_to_golden(config, "muon_match_adamw"), 2e-5);
}

TEST(Muon, StaysNearTorchWithItsBfloat16) {
  // 1.5e-2: six updates of elements up to 0.02, each off by a few percent (8 bits of mantissa, five
  // iterations).
  EXPECT_LT(distance_to_golden({.rule = recipe::Rule::kMuon}, "muon_bfloat16"), 1.5e-2);
  recipe::OptimizerConfig rounded{.rule = recipe::Rule::kMuon};
  rounded.muon.precision = tensor::Precision::kBFloat16;
  EXPECT_LT(distance_to_golden(rounded, "muon_bfloat16"), 1.5e-2);
}

// The iteration written out for one matrix in double precision.
std::vector<double> orthogonalized_by_hand(std::vector<double> x, int rows, int columns,
                                           int steps) {
  double norm = 0;
  for (const double value : x) norm += value * value;
  for (double& value : x) value /= std::sqrt(norm);
  const auto product = [](const std::vector<double>& a, const std::vector<double>& b, int n, int k,
                          int m) {
    std::vector<double> out(static_cast<std::size_t>(n) * m, 0.0);
    for (int i = 0; i < n; ++i)
      for (int l = 0; l < k; ++l)
        for (int j = 0; j < m; ++j) out[i * m + j] += a[i * k + l] * b[l * m + j];
    return out;
  };
  for (int step = 0; step < steps; ++step) {
    std::vector<double> transposed(x.size());
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j) transposed[j * rows + i] = x[i * columns + j];
    const auto gram = product(x, transposed, rows, columns, rows);
    const auto once = product(gram, x, rows, rows, columns);
    const auto twice = product(gram, once, rows, rows, columns);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = 3.4445 * x[i] - 4.7750 * once[i] + 2.0315 * twice[i];
  }
  return x;
}

TEST(Orthogonalize, EqualsADoublePrecisionLoopWideAndTall) {
  at::manual_seed(7);
  for (const auto& [rows, columns] : {std::pair{5, 9}, std::pair{9, 5}, std::pair{6, 6}}) {
    const at::Tensor matrix = at::randn({rows, columns});
    std::vector<double> values;
    for (int i = 0; i < rows * columns; ++i) values.push_back(matrix.flatten()[i].item<double>());
    const auto wanted = orthogonalized_by_hand(values, rows, columns, 5);
    const at::Tensor found =
        detail::orthogonalize(matrix.unsqueeze(0), recipe::MuonConfig{})[0].contiguous().flatten();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(found[static_cast<std::int64_t>(i)].item<double>(), wanted[i], 2e-5);
    }
  }
}

TEST(Orthogonalize, BringsSingularValuesNearOne) {
  at::manual_seed(8);
  for (const auto precision : {tensor::Precision::kFloat32, tensor::Precision::kBFloat16}) {
    const auto singular = std::get<1>(at::linalg_svd(
        detail::orthogonalize(at::randn({1, 32, 64}), recipe::MuonConfig{.precision = precision})));
    EXPECT_GT(singular.min().item<double>(), 0.6);
    EXPECT_LT(singular.max().item<double>(), 1.3);
  }
}

TEST(Orthogonalize, LeavesAZeroMatrixZero) {
  EXPECT_EQ(
      detail::orthogonalize(at::zeros({1, 4, 6}), recipe::MuonConfig{}).abs().max().item<double>(),
      0.0);
}

std::vector<NamedTensor> model_like() {
  std::vector<NamedTensor> parameters;
  for (const auto& [name, shape] : std::vector<std::pair<std::string, std::vector<std::int64_t>>>{
           {"model.embed_tokens.weight", {10, 4}},
           {"model.layers.0.self_attn.q_proj.weight", {4, 4}},
           {"model.layers.0.input_layernorm.weight", {4}},
           {"transformer.wpe.weight", {8, 4}},
           {"lm_head.weight", {10, 4}}}) {
    parameters.push_back({name, at::randn(shape).set_requires_grad(true)});
  }
  return parameters;
}

TEST(MakeOptimizer, GivesMuonOnlyToHiddenMatrices) {
  const auto optimizer = make_optimizer({.rule = recipe::Rule::kMuon}, model_like());
  std::vector<std::string> with_muon;
  for (const auto& entry : optimizer->state()) {
    if (entry.name.starts_with("muon.")) with_muon.push_back(entry.name);
  }
  EXPECT_EQ(with_muon,
            std::vector<std::string>{"muon.momentum/model.layers.0.self_attn.q_proj.weight"});
}

// GPT-2 stores [inputs, outputs]: the same layer must move as far whichever way its file holds it.
TEST(Muon, ScalesGpt2MatricesByTheirOutputs) {
  const at::Tensor gradient = at::randn({4, 16});
  NamedTensor gpt2{"h.0.mlp.c_fc.weight", at::zeros({4, 16}).set_requires_grad(true)};
  NamedTensor llama{"layers.0.mlp.up_proj.weight", at::zeros({16, 4}).set_requires_grad(true)};
  gpt2.value.mutable_grad() = gradient.clone();
  llama.value.mutable_grad() = gradient.t().contiguous();
  const std::vector<NamedTensor> both{gpt2, llama};
  make_optimizer({.rule = recipe::Rule::kMuon}, both)->step(1.0);
  EXPECT_LT((gpt2.value.detach().t() - llama.value.detach()).abs().max().item<double>(), 1e-6);
}

void give_gradients(std::vector<NamedTensor>& parameters, std::uint64_t seed) {
  at::manual_seed(seed);
  for (auto& parameter : parameters) {
    parameter.value.mutable_grad() = at::randn(parameter.value.sizes());
  }
}

// The promise checkpoints rest on: state and step count copied into a fresh optimizer go on bit for
// bit.
TEST(Optimizer, GoesOnBitEqualFromItsState) {
  for (const recipe::Rule rule : {recipe::Rule::kAdamW, recipe::Rule::kMuon}) {
    at::manual_seed(11);
    auto original = model_like();
    const auto first = make_optimizer({.rule = rule}, original);
    for (int step = 0; step < 3; ++step) {
      give_gradients(original, 100 + step);
      first->step(0.5);
    }
    std::vector<NamedTensor> copy;
    for (const auto& parameter : original) {
      copy.push_back({parameter.name, parameter.value.detach().clone().set_requires_grad(true)});
    }
    const auto second = make_optimizer({.rule = rule}, copy);
    second->set_num_steps(first->num_steps());
    const auto from = first->state();
    const auto to = second->state();
    ASSERT_EQ(from.size(), to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      ASSERT_EQ(from[i].name, to[i].name);
      to[i].value.copy_(from[i].value);
    }
    for (int step = 3; step < 6; ++step) {
      give_gradients(original, 100 + step);
      first->step(1.0);
      give_gradients(copy, 100 + step);
      second->step(1.0);
    }
    for (std::size_t i = 0; i < original.size(); ++i) {
      EXPECT_TRUE(at::equal(original[i].value, copy[i].value)) << original[i].name;
    }
  }
}

// A process's share of a model: its own parameters change, and the table is that of all.
TEST(Optimizer, OfAShareStepsItsOwnAndKnowsEveryRule) {
  std::vector<NamedTensor> parameters = {{"layers.0.q.weight", at::ones({4, 4}).requires_grad_()},
                                         {"lm_head.weight", at::ones({4, 4}).requires_grad_()}};
  for (auto& parameter : parameters) parameter.value.mutable_grad() = at::ones({4, 4});
  recipe::OptimizerConfig config{
      .assignments = {{.match = "lm_head", .rule = recipe::Rule::kScion}}};
  const auto optimizer = make_optimizer_of(config, parameters, {true, false});
  optimizer->step(1.0);
  EXPECT_FALSE(parameters[0].value.equal(at::ones({4, 4})));
  EXPECT_TRUE(parameters[1].value.equal(at::ones({4, 4})));
  for (const auto& entry : optimizer->state()) {
    EXPECT_TRUE(entry.name.ends_with("/layers.0.q.weight")) << entry.name;
  }
  EXPECT_THROW(make_optimizer_of(config, parameters, {true}), Error);
  config.assignments[0].match = "nobody";
  EXPECT_THROW(make_optimizer_of(config, parameters, {true, false}), Error);
}

TEST(Optimizer, LeavesParametersWithoutGradientAlone) {
  auto parameters = model_like();
  give_gradients(parameters, 1);
  parameters[0].value.mutable_grad() = at::Tensor();
  const at::Tensor before = parameters[0].value.detach().clone();
  make_optimizer({.rule = recipe::Rule::kMuon}, parameters)->step(1.0);
  EXPECT_TRUE(at::equal(parameters[0].value.detach(), before));
}

// What recipe describes, this room can make, with the state that plans count.
TEST(Optimizer, EveryRuleIsMadeWithTheStateThatPlansCount) {
  for (const recipe::Rule rule : recipe::rules()) {
    const std::vector<NamedTensor> parameters{
        {"layer.weight", at::zeros({64, 64}).set_requires_grad(true)}};
    const recipe::OptimizerConfig config{.rule = rule};
    std::int64_t bytes = 0;
    for (const NamedTensor& state : make_optimizer(config, parameters)->state()) {
      if (state.value.dim() == 2) bytes += static_cast<std::int64_t>(state.value.nbytes());
    }
    EXPECT_DOUBLE_EQ(static_cast<double>(bytes),
                     64 * 64 * recipe::optimizer_state_bytes(config, rule))
        << rule_name(rule);
  }
}

TEST(Optimizer, RefusesSettingsAndTensorsThatCannotWork) {
  const auto parameters = model_like();
  EXPECT_THROW(make_optimizer({}, {}), Error);
  EXPECT_THROW(make_optimizer({.adamw = {.learning_rate = -1}}, parameters), Error);
  EXPECT_THROW(make_optimizer({.adamw = {.beta2 = 1.0}}, parameters), Error);
  EXPECT_THROW(make_optimizer({.adamw = {.learning_rate = std::nan("")}}, parameters), Error);
  EXPECT_THROW(
      make_optimizer({.rule = recipe::Rule::kMuon, .muon = {.newton_schulz_steps = 0}}, parameters),
      Error);
  const std::vector<NamedTensor> doubles{{"w", at::zeros({2, 2}, at::kDouble)}};
  EXPECT_THROW(make_optimizer({}, doubles), Error);
  EXPECT_THROW(make_optimizer({}, parameters)->step(-0.5), Error);
}

TEST(Gradients, AreMeasuredTogetherAndScaledToTheLimit) {
  std::vector<NamedTensor> parameters{{"a", at::zeros({1}).set_requires_grad(true)},
                                      {"b", at::zeros({1, 1}).set_requires_grad(true)},
                                      {"without", at::zeros({3}).set_requires_grad(true)}};
  parameters[0].value.mutable_grad() = at::full({1}, 3.0);
  parameters[1].value.mutable_grad() = at::full({1, 1}, 4.0);
  EXPECT_DOUBLE_EQ(gradient_norm(parameters), 5.0);
  EXPECT_EQ(clip_scale(5.0, 6.0), 1.0);
  EXPECT_EQ(clip_scale(5.0, 0.0), 1.0);
  // torch.nn.utils.clip_grad_norm_ adds 1e-6 to the norm it divides by.
  EXPECT_DOUBLE_EQ(clip_scale(5.0, 1.0), 1.0 / (5.0 + 1e-6));
}

TEST(Gradients, ShowAnythingThatIsNotFinite) {
  std::vector<NamedTensor> parameters{{"a", at::zeros({4}).set_requires_grad(true)}};
  parameters[0].value.mutable_grad() = at::zeros({4});
  parameters[0].value.mutable_grad()[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(std::isfinite(gradient_norm(parameters)));
  parameters[0].value.mutable_grad()[2] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(std::isfinite(gradient_norm(parameters)));
}

// Every rule finds the bottom of a least-squares valley.
TEST(Optimizer, DescendsOnAToy) {
  for (const recipe::Rule rule : {recipe::Rule::kAdamW, recipe::Rule::kMuon, recipe::Rule::kNorMuon,
                                  recipe::Rule::kScion, recipe::Rule::kTransportedScion}) {
    at::manual_seed(3);
    const at::Tensor inputs = at::randn({64, 8});
    const at::Tensor wanted = at::matmul(inputs, at::randn({8, 4}));
    std::vector<NamedTensor> parameters{
        {"layer.weight", at::zeros({4, 8}).set_requires_grad(true)}};
    recipe::OptimizerConfig config{.rule = rule};
    config.adamw.learning_rate = config.muon.learning_rate = 0.05;  // Far enough in 200 steps.
    // Their steps are shorter by sqrt(outputs / inputs).
    config.scion.learning_rate = config.transported_scion.learning_rate = 0.1;
    config.scion.radius = 1.0;
    config.scion.is_constrained = false;
    config.adamw.weight_decay = config.muon.weight_decay = 0.0;
    config.transported_scion.weight_decay = 0.0;
    const auto optimizer = make_optimizer(config, parameters);
    const auto loss_of = [&] {
      return (at::matmul(inputs, parameters[0].value.t()) - wanted).square().mean();
    };
    const double before = loss_of().item<double>();
    for (int step = 0; step < 200; ++step) {
      parameters[0].value.mutable_grad() = at::Tensor();
      loss_of().backward();
      optimizer->step(1.0 - step / 200.0);
    }
    EXPECT_LT(loss_of().item<double>(), before * 1e-2) << recipe::rule_name(rule);
  }
}

}  // namespace
}  // namespace panal::optim
