#include "train/benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "model/decoder.h"
#include "tensor/linear.h"
#include "tensor/named_tensor.h"
#include "train/machine.h"

namespace panal::train {

double gemm_peak_flops(tensor::Precision precision, const Clock& clock, int repeats) {
  constexpr std::int64_t kSide = 2048;
  constexpr double kFlops = 2.0 * kSide * kSide * kSide;
  const auto type = precision == tensor::Precision::kBFloat16 ? at::kBFloat16 : at::kFloat;
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor a = at::randn({kSide, kSide}, generator).to(type);
  const at::Tensor b = at::randn({kSide, kSide}, generator).to(type);
  double fastest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repeats; ++i) {
    const Nanoseconds begin = clock.steady_now();
    at::mm(a, b);
    const Nanoseconds middle = clock.steady_now();
    tensor::product_nt(a, b);
    const Nanoseconds end = clock.steady_now();
    fastest = std::min({fastest, seconds(middle - begin), seconds(end - middle)});
  }
  return kFlops / fastest;
}

Result<BenchmarkResult> benchmark_training(
    const BenchmarkOptions& options, const Clock& clock,
    const std::function<void(std::int64_t step, double seconds)>& on_step, std::stop_token stop) {
  PANAL_TRY(model::validate(options.model));
  forget_peak_resident_bytes();
  const auto base_resident_bytes = peak_resident_bytes();
  at::Generator generator = at::detail::createCPUGenerator(1);
  const std::int64_t B = options.sequences, T = options.model.context_length;
  const auto random_tokens = [&] {
    return at::randint(0, options.model.vocabulary_size, {B, T}, generator, at::kLong);
  };
  const at::Tensor tokens = random_tokens(), targets = random_tokens();
  model::Decoder decoder = model::Decoder::random(options.model, 1, options.weights);
  decoder.set_training_precision(options.precision);
  decoder.set_recompute(options.recompute);
  const auto parameters = decoder.trainable_parameters();
  const auto optimizer = optim::make_optimizer(options.optimizer, parameters);

  BenchmarkResult result{.parameters = options.model.num_parameters()};
  std::vector<double> taken;
  for (std::int64_t step = 0; step < options.warmup + options.steps; ++step) {
    if (stop.stop_requested()) return Status(Code::kCancelled, "stopped while measuring");
    const Nanoseconds begin = clock.steady_now();
    for (const auto& parameter : parameters) {
      at::Tensor value = parameter.value;
      value.mutable_grad() = at::Tensor();
    }
    decoder.weights_changed();
    const at::Tensor loss = decoder.loss(tokens, targets);
    loss.backward();
    optimizer->step(1.0);
    result.loss = loss.item<double>();
    const double spent = seconds(clock.steady_now() - begin);
    if (step >= options.warmup) taken.push_back(spent);
    on_step(step, spent);
  }
  result.base_resident_bytes = base_resident_bytes;
  result.peak_resident_bytes = peak_resident_bytes();
  result.step_seconds = taken;
  std::ranges::sort(taken);
  result.step_s_low = taken.front();
  result.step_s_high = taken.back();
  result.step_s = (taken[(taken.size() - 1) / 2] + taken[taken.size() / 2]) / 2;
  result.tokens_per_s = static_cast<double>(B * T) / result.step_s;
  result.flops = options.model.training_flops_per_token(T) * result.tokens_per_s;
  result.gemm_peak_flops = gemm_peak_flops(options.precision, clock);
  return result;
}

}  // namespace panal::train
