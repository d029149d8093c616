#include "train/benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>

#include <algorithm>
#include <vector>

#include "machine/resident_memory.h"
#include "model/decoder.h"
#include "tensor/cuda_graph.h"
#include "tensor/device.h"
#include "tensor/named_tensor.h"
#include "train/probes.h"

namespace panal::train {

Result<BenchmarkResult> benchmark_training(
    const BenchmarkOptions& options, const Clock& clock,
    const std::function<void(std::int64_t step, double seconds)>& on_step, std::stop_token stop) {
  PANAL_TRY(recipe::validate(options.model));
  const c10::Device device = tensor::training_device(options.device);
  machine::forget_peak_resident_bytes();
  const auto base_resident_bytes = machine::peak_resident_bytes();
  at::Generator generator = at::detail::createCPUGenerator(1);
  const std::int64_t B = options.sequences, T = options.model.context_length;
  const auto random_tokens = [&] {
    return at::randint(0, options.model.vocabulary_size, {B, T}, generator, at::kLong);
  };
  const at::Tensor tokens = random_tokens(), targets = random_tokens();
  model::Decoder decoder = model::Decoder::random(options.model, 1, options.weights);
  decoder.move_to(device);
  decoder.set_training_precision(options.precision);
  decoder.set_recompute(options.recompute);
  const auto parameters = decoder.trainable_parameters();
  const auto optimizer = optim::make_optimizer(options.optimizer, parameters);

  BenchmarkResult result{.parameters = options.model.num_parameters()};
  const at::Tensor here = tokens.to(device), targets_here = targets.to(device);
  tensor::CudaGraph pass(device, /*captures=*/true);
  at::Tensor loss;
  std::vector<double> taken;
  // A pass is captured in the fourth step; none of those counts.
  const std::int64_t warmup =
      device.is_cpu() ? options.warmup : std::max<std::int64_t>(options.warmup, 4);
  for (std::int64_t step = 0; step < warmup + options.steps; ++step) {
    if (stop.stop_requested()) return Status(Code::kCancelled, "stopped while measuring");
    const Nanoseconds begin = clock.steady_now();
    for (const auto& parameter : parameters) {
      at::Tensor value = parameter.value;
      if (device.is_cpu()) {
        value.mutable_grad() = at::Tensor();
      } else if (value.grad().defined()) {
        value.mutable_grad().zero_();  // Where the captured pass adds to it.
      }
    }
    decoder.weights_changed();
    pass.run([&] {
      loss = decoder.loss(here, targets_here);
      loss.backward();
    });
    optimizer->step(1.0);
    result.loss = loss.item<double>();
    tensor::finish_work(device);
    const double spent = seconds(clock.steady_now() - begin);
    if (step >= warmup) taken.push_back(spent);
    on_step(step, spent);
  }
  result.peak_device_bytes = tensor::peak_device_bytes(device);
  result.base_resident_bytes = base_resident_bytes;
  result.peak_resident_bytes = machine::peak_resident_bytes();
  result.step_seconds = taken;
  std::ranges::sort(taken);
  result.step_s_low = taken.front();
  result.step_s_high = taken.back();
  result.step_s = (taken[(taken.size() - 1) / 2] + taken[taken.size() / 2]) / 2;
  result.tokens_per_s = static_cast<double>(B * T) / result.step_s;
  result.flops = options.model.training_flops_per_token(T) * result.tokens_per_s;
  result.gemm_peak_flops = gemm_peak_flops(options.precision, device, clock);
  result.machine = describe_machine(options.precision, device);
  result.machine.peak_flops = result.gemm_peak_flops;
  result.machine.memory_bytes_per_s = measured_memory_bytes_per_s(clock, device);
  return result;
}

}  // namespace panal::train
