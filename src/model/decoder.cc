#include "model/decoder.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/core.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "model/detail/decoder_state.h"
#include "model/detail/read_weights.h"
#include "tensor/layers.h"
#include "tensor/linear.h"
#include "tensor/named_tensor.h"

namespace panal::model {
namespace {

using detail::LinearLayer;
using tensor::Precision;

// Where the model is. From pinned memory the host does not wait for the copy.
at::Tensor brought(const at::Tensor& input, const at::Device& device) {
  return input.defined() ? input.to(device, /*non_blocking=*/true) : input;
}

at::Tensor initial_value(const recipe::ModelConfig& config, const recipe::ParameterSpec& spec,
                         Precision weights, at::Generator& generator) {
  if (spec.kind == recipe::ParameterSpec::Kind::kNorm) return at::ones(spec.shape);
  if (spec.kind == recipe::ParameterSpec::Kind::kBias) return at::zeros(spec.shape);
  const double spread =
      spec.into_residual ? 0.02 / std::sqrt(2.0 * static_cast<double>(config.layers)) : 0.02;
  const at::Tensor exact = at::empty(spec.shape).normal_(0.0, spread, generator);
  return weights == Precision::kBFloat16 ? exact.to(at::kBFloat16) : exact;
}

}  // namespace

Decoder::Decoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

Decoder Decoder::random(const recipe::ModelConfig& config, std::uint64_t seed, Precision weights) {
  ok_or_throw(recipe::validate(config));
  at::Generator generator = at::detail::createCPUGenerator(seed);
  std::map<std::string, at::Tensor> tensors;
  for (const recipe::ParameterSpec& spec : recipe::parameter_table(config)) {
    tensors.emplace(spec.name, initial_value(config, spec, weights, generator));
  }
  Decoder decoder(std::make_unique<State>(config, std::move(tensors)));
  decoder.set_core_trainable(true);
  return decoder;
}

const recipe::ModelConfig& Decoder::config() const { return state_->config; }

c10::Device Decoder::device() const { return state_->token_embedding.device(); }

void Decoder::move_to(const c10::Device& device) {
  PANAL_REQUIRE(!state_->lora, "a decoder is moved before it gets an adapter");
  if (device == this->device()) return;
  std::map<std::string, at::Tensor> moved;
  for (const auto& [name, value] : state_->tensors) {
    moved.emplace(name, value.detach().to(device).set_requires_grad(value.requires_grad()));
  }
  auto state = std::make_unique<State>(state_->config, std::move(moved));
  state->training_precision = state_->training_precision;
  state->recompute = state_->recompute;
  state_ = std::move(state);
  state_->round_weights();
}

at::Tensor Decoder::forward(const at::Tensor& tokens) const {
  const at::Tensor logits =
      tensor::linear(state_->hidden(brought(tokens, device()), Precision::kFloat32, {}),
                     state_->head_weight(Precision::kFloat32));
  const double cap = state_->config.logit_soft_cap;
  return cap > 0 ? at::tanh(logits / cap) * cap : logits;
}

at::Tensor Decoder::loss(const at::Tensor& tokens, const at::Tensor& targets,
                         const at::Tensor& first_keys) const {
  PANAL_REQUIRE(tokens.sizes() == targets.sizes(), "loss: tokens and targets must have one shape");
  const Precision precision = state_->training_precision;
  const at::Device here = device();
  const at::Tensor hidden =
      state_->hidden(brought(tokens, here), precision, brought(first_keys, here));
  return tensor::head_loss(hidden.view({-1, hidden.size(-1)}), state_->head_weight(precision),
                           brought(targets, here).reshape({-1}), state_->config.logit_soft_cap);
}

at::Tensor Decoder::loss(const at::Tensor& tokens, const at::Tensor& targets) const {
  return loss(tokens, targets, {});
}

at::Tensor Decoder::token_losses(const at::Tensor& tokens, const at::Tensor& targets) const {
  PANAL_REQUIRE(tokens.sizes() == targets.sizes(), "loss: tokens and targets must have one shape");
  const at::NoGradGuard no_gradient;
  const at::Tensor hidden = state_->hidden(brought(tokens, device()), Precision::kFloat32, {});
  return tensor::head_losses(
             hidden.view({-1, hidden.size(-1)}), state_->head_weight(Precision::kFloat32).value,
             brought(targets, device()).reshape({-1}), state_->config.logit_soft_cap)
      .view(targets.sizes())
      .to(at::kCPU);
}

at::Tensor Decoder::losses_at(const at::Tensor& tokens, std::span<const std::int64_t> positions,
                              std::span<const std::int64_t> targets) const {
  PANAL_REQUIRE(positions.size() == targets.size(),
                fmt::format("losses_at: wanted one target per position, found {} and {}",
                            targets.size(), positions.size()));
  for (const std::int64_t position : positions) {
    PANAL_REQUIRE(position >= 0 && position < tokens.numel(),
                  fmt::format("losses_at: a position must be 0 to {}, found {}", tokens.numel() - 1,
                              position));
  }
  const at::NoGradGuard no_gradient;
  const auto as_tensor = [&](std::span<const std::int64_t> values) {
    return at::tensor(at::IntArrayRef(values.data(), values.size()), at::kLong).to(device());
  };
  const detail::SharedRows rows = detail::share_rows(tokens, positions, device());
  const at::Tensor hidden = state_->hidden(rows, Precision::kFloat32).squeeze(0);
  return tensor::head_losses(
             hidden.index_select(0, rows.place.index_select(0, as_tensor(positions))),
             state_->head_weight(Precision::kFloat32).value, as_tensor(targets),
             state_->config.logit_soft_cap)
      .to(at::kCPU);
}

void Decoder::set_training_precision(Precision precision) {
  PANAL_REQUIRE(precision == Precision::kBFloat16 || state_->head.scalar_type() == at::kFloat,
                "bfloat16 matrices are trained with bfloat16 products, found fp32");
  state_->training_precision = precision;
  state_->round_weights();
}

void Decoder::set_recompute(recipe::Recompute recompute) { state_->recompute = recompute; }

std::vector<std::vector<float>> Decoder::attention_maxima() const {
  std::vector<std::vector<float>> maxima;
  for (const at::Tensor& layer : state_->log_sum_exp) {
    const at::Tensor of_heads = layer.amax({0, 2}).to(at::kCPU).contiguous();
    maxima.emplace_back(of_heads.const_data_ptr<float>(),
                        of_heads.const_data_ptr<float>() + of_heads.numel());
  }
  return maxima;
}

void Decoder::weights_changed() { state_->round_weights(); }

std::vector<tensor::NamedTensor> Decoder::parameters() const {
  std::vector<tensor::NamedTensor> named;
  for (const recipe::ParameterSpec& spec : state_->table) {
    named.push_back({spec.name, state_->tensors.at(spec.name)});
  }
  return named;
}

std::vector<tensor::NamedTensor> Decoder::trainable_parameters() const {
  if (!state_->lora) return parameters();
  std::vector<tensor::NamedTensor> named;
  for (const LinearLayer* linear : state_->adapted()) {
    const std::string name = "base_model.model." + linear->module;
    named.push_back({name + ".lora_A.weight", linear->adapter_down});
    named.push_back({name + ".lora_B.weight", linear->adapter_up});
  }
  return named;
}

void Decoder::add_lora(const LoraConfig& lora, std::uint64_t seed) {
  PANAL_REQUIRE(!state_->lora, "LoRA: this model has an adapter already");
  PANAL_REQUIRE(std::isfinite(lora.alpha) && lora.alpha > 0,
                fmt::format("LoRA alpha must be over 0, found {}", lora.alpha));
  const std::vector<LinearLayer*> targets = state_->targeted(lora.targets);
  for (const LinearLayer* linear : targets) {
    const std::int64_t most = std::min(linear->in_width(), linear->out_width());
    PANAL_REQUIRE(
        lora.rank >= 1 && lora.rank <= most,
        fmt::format("LoRA rank must be 1 to {} for {}, found {}", most, linear->module, lora.rank));
  }
  set_core_trainable(false);
  at::Generator generator = at::detail::createCPUGenerator(seed);
  for (LinearLayer* linear : targets) {
    // PEFT's start: kaiming_uniform with a = sqrt(5), which is uniform within 1 / sqrt(in).
    const double bound = 1.0 / std::sqrt(static_cast<double>(linear->in_width()));
    linear->adapter_down =
        at::empty({lora.rank, linear->in_width()}).uniform_(-bound, bound, generator).to(device());
    linear->adapter_up =
        at::zeros({linear->out_width(), lora.rank}, linear->adapter_down.options());
    linear->adapter_down.set_requires_grad(true);
    linear->adapter_up.set_requires_grad(true);
    linear->adapter_scale = lora.scale();
  }
  state_->lora = lora;
  if (state_->lora->targets.empty()) {
    state_->lora->targets = recipe::linear_names(state_->config);
  }
}

const std::optional<LoraConfig>& Decoder::lora() const { return state_->lora; }

double LoraConfig::scale() const {
  const auto width = static_cast<double>(rank);
  return alpha / (is_rank_stabilized ? std::sqrt(width) : width);
}

std::int64_t Decoder::num_trainable_parameters() const {
  std::int64_t count = 0;
  for (const tensor::NamedTensor& parameter : trainable_parameters())
    count += parameter.value.numel();
  return count;
}

void Decoder::remove_lora() {
  for (const LinearLayer* linear : state_->adapted()) {
    auto* adapted = const_cast<LinearLayer*>(linear);
    adapted->adapter_down = at::Tensor();
    adapted->adapter_up = at::Tensor();
  }
  state_->lora.reset();
}

void Decoder::set_core_trainable(bool trainable) {
  for (auto& [name, value] : state_->tensors) value.set_requires_grad(trainable);
}

Result<std::vector<std::string>> unused_tensors(const std::filesystem::path& folder_or_file) {
  PANAL_ASSIGN(const weights::WeightSource source, weights::open_weights(folder_or_file));
  PANAL_ASSIGN(const recipe::ModelConfig config, detail::config_of(source, folder_or_file));
  return detail::unused_tensors(source, config);
}

Result<Decoder> load_decoder(const std::filesystem::path& folder_or_file) {
  return capture([&]() -> Result<Decoder> {
    PANAL_ASSIGN(const weights::WeightSource source, weights::open_weights(folder_or_file));
    PANAL_ASSIGN(const recipe::ModelConfig config, detail::config_of(source, folder_or_file));
    PANAL_ASSIGN(auto tensors, detail::read_parameters(source, config));
    return Decoder(std::make_unique<Decoder::State>(config, std::move(tensors)));
  });
}

}  // namespace panal::model
