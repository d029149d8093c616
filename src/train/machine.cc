#include "train/machine.h"

#include <ATen/Parallel.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include "panal_version.h"
#include "tensor/device.h"
#include "tensor/runtime.h"

namespace panal::train {
namespace {

// The value after "key" and a colon in a file of /proc; empty when there is none.
std::string proc_value(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

}  // namespace

report::Machine describe_machine(tensor::Precision precision, const c10::Device& device) {
  report::Machine machine{.device = tensor::device_name(device)};
  machine.cpu = proc_value("/proc/cpuinfo", "model name");
  if (const unsigned cores = std::thread::hardware_concurrency(); cores > 0) machine.cores = cores;
  machine.threads = tensor::num_threads();
  const long pages = ::sysconf(_SC_PHYS_PAGES), page_bytes = ::sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page_bytes > 0) machine.memory_bytes = std::int64_t{pages} * page_bytes;
  machine.precision = precision == tensor::Precision::kBFloat16 ? "bf16" : "fp32";
  machine.code_version = fmt::format("{} ({})", PANAL_VERSION, PANAL_COMMIT);
  return machine;
}

report::Machine describe_machine(tensor::Precision precision) {
  return describe_machine(precision, c10::Device(c10::DeviceType::CPU));
}

std::int64_t threads_of_process(std::int64_t wanted, std::int64_t processes) {
  if (wanted > 0) return wanted;
  return std::max<std::int64_t>(1, std::thread::hardware_concurrency() / processes);
}

report::ModelCost model_cost(const model::ModelConfig& model, std::int64_t context) {
  report::ModelCost cost{.layers = model.layers,
                         .heads = model.heads,
                         .head_width = model.head_width,
                         .context = context};
  const double matrices = (model.training_flops_per_token(context) - cost.flops_per_token()) / 6.0;
  cost.matrix_parameters = std::llround(matrices);
  return cost;
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
    at::parallel_for(0, elements, 1 << 16, [&](std::int64_t from, std::int64_t to) {
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

std::optional<std::int64_t> peak_resident_bytes() {
  const std::string found = proc_value("/proc/self/status", "VmHWM");
  const std::int64_t kibibytes = std::atoll(found.c_str());
  if (kibibytes <= 0) return std::nullopt;
  return kibibytes * 1024;
}

bool forget_peak_resident_bytes() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5";
  file.flush();
  return file.good();
}

}  // namespace panal::train
