#include "train/probes.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/compute_pool.h"
#include "machine/inventory.h"
#include "tensor/device.h"
#include "tensor/linear.h"
#include "tensor/runtime.h"

namespace panal::train {

machine::Machine describe_machine(tensor::Precision precision, const c10::Device& device) {
  machine::Machine found = machine::inventory();
  found.device = tensor::device_name(device);
  found.threads = tensor::num_threads();
  found.precision = tensor::precision_name(precision);
  return found;
}

machine::Machine describe_machine(tensor::Precision precision) {
  return describe_machine(precision, c10::Device(c10::DeviceType::CPU));
}

recipe::RunsOn runs_here() {
  return {.multiplies_bfloat16 = machine::cpu_multiplies_bfloat16(),
          .why_no_cuda = tensor::why_no_cuda};
}

double gemm_peak_flops(tensor::Precision precision, const c10::Device& device, const Clock& clock,
                       int repeats) {
  const std::int64_t side = device.is_cpu() ? 2048 : 8192;
  const double flops = 2.0 * std::pow(static_cast<double>(side), 3);
  const auto type = precision == tensor::Precision::kBFloat16 ? at::kBFloat16 : at::kFloat;
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor a = at::randn({side, side}, generator).to(device, type);
  const at::Tensor b = at::randn({side, side}, generator).to(device, type);
  double fastest = std::numeric_limits<double>::infinity();
  const auto time = [&](const auto& product) {
    tensor::finish_work(device);
    const Nanoseconds begin = clock.steady_now();
    product();
    tensor::finish_work(device);
    fastest = std::min(fastest, seconds(clock.steady_now() - begin));
  };
  for (int i = 0; i < repeats; ++i) {
    time([&] {
      const tensor::LibraryThreads threads;
      return at::mm(a, b);
    });
    time([&] { return tensor::product_nt(a, b); });
  }
  return flops / fastest;
}

double gemm_peak_flops(tensor::Precision precision, const Clock& clock) {
  return gemm_peak_flops(precision, c10::Device(c10::DeviceType::CPU), clock);
}

std::optional<double> measured_memory_bytes_per_s(const Clock& clock, const c10::Device& device) {
  // Beyond the caches of either. On the CPU a run measures it between steps, in memory that a small
  // model's steps would not have needed: not more than enough.
  const std::int64_t elements =
      device.is_cpu() ? kBandwidthBufferBytes / std::int64_t{sizeof(float)} : std::int64_t{1} << 28;
  const auto floats = at::TensorOptions().dtype(at::kFloat).device(device);
  at::Tensor sum = at::empty({elements}, floats);
  const at::Tensor first = at::full({elements}, 1.0f, floats),
                   second = at::full({elements}, 2.0f, floats);
  const auto on_cpu = [&] {
    float* a = sum.data_ptr<float>();
    const float *b = first.const_data_ptr<float>(), *c = second.const_data_ptr<float>();
    kernels::for_elements(elements, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t k = from; k < to; ++k) a[k] = b[k] + 3.0f * c[k];
    });
  };
  double fastest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 4; ++i) {
    tensor::finish_work(device);
    const Nanoseconds begin = clock.steady_now();
    if (device.is_cpu()) {
      on_cpu();
    } else {
      at::add_out(sum, first, second, 3.0);
    }
    tensor::finish_work(device);
    fastest = std::min(fastest, seconds(clock.steady_now() - begin));
  }
  if (!(fastest > 0)) return std::nullopt;
  return 3.0 * sizeof(float) * static_cast<double>(elements) / fastest;
}

std::optional<double> measured_memory_bytes_per_s(const Clock& clock) {
  return measured_memory_bytes_per_s(clock, c10::Device(c10::DeviceType::CPU));
}

}  // namespace panal::train
