#include "train/process_memory.h"

#include <ATen/ops/randint.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "model/decoder.h"
#include "optim/optimizer.h"
#include "tensor/named_tensor.h"
#include "tensor/runtime.h"

namespace panal::train {
namespace {

// Large enough for the kernels that large models take.
constexpr std::int64_t kWidth = 128, kContext = 64, kVocabulary = 1024;

recipe::ModelConfig tiny_model(const recipe::RunConfig& config) {
  recipe::ModelConfig model = config.model.dimensions;
  if (config.kind == recipe::RunKind::kLora)
    model = value_or_throw(recipe::load_model_config(config.model.core.string()));
  model.vocabulary_size = kVocabulary;
  model.layers = 1;
  model.heads = model.key_value_heads = 2;
  model.head_width = kWidth / 2;
  model.width = kWidth;
  model.feed_forward_width = 2 * kWidth;
  model.context_length = kContext;
  return model;
}

void take_steps(const recipe::RunConfig& config) {
  model::Decoder decoder =
      model::Decoder::random(tiny_model(config), config.seed, config.memory.weights);
  if (config.kind == recipe::RunKind::kLora) {
    decoder.add_lora({.rank = std::min(config.lora.rank, kWidth),
                      .alpha = config.lora.alpha,
                      .targets = config.lora.targets,
                      .base_model_name = ""},
                     config.seed);
  }
  decoder.set_training_precision(config.precision);
  decoder.set_recompute(config.memory.recompute);
  const std::vector<tensor::NamedTensor> parameters = decoder.trainable_parameters();
  const auto optimizer = optim::make_optimizer(config.optimizer, parameters);
  const at::Tensor tokens = at::randint(0, kVocabulary, {2, kContext}, at::kLong);
  for (int step = 0; step < 2; ++step) {
    decoder.weights_changed();
    decoder.loss(tokens, tokens).backward();
    optim::gradient_norm(parameters);
    optimizer->step(1.0);
    for (const auto& parameter : parameters) parameter.value.mutable_grad() = at::Tensor();
  }
}

}  // namespace

Result<std::optional<double>> measured_process_bytes(const recipe::RunConfig& config) {
  PANAL_TRY(capture([&] { take_steps(config); }));
  tensor::return_free_heap();
  std::int64_t all = 0, resident = 0;
  if (!(std::ifstream("/proc/self/statm") >> all >> resident)) return std::optional<double>();
  return std::optional<double>(
      static_cast<double>(resident * ::sysconf(_SC_PAGE_SIZE) - tensor::reused_bytes()));
}

}  // namespace panal::train
