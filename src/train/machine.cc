#include "train/machine.h"

#include <ATen/Parallel.h>
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

report::Machine describe_machine(tensor::Precision precision) {
  report::Machine machine{.device = "cpu"};
  machine.cpu = proc_value("/proc/cpuinfo", "model name");
  if (const unsigned cores = std::thread::hardware_concurrency(); cores > 0) machine.cores = cores;
  machine.threads = tensor::num_threads();
  const long pages = ::sysconf(_SC_PHYS_PAGES), page_bytes = ::sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page_bytes > 0) machine.memory_bytes = std::int64_t{pages} * page_bytes;
  machine.precision = precision == tensor::Precision::kBFloat16 ? "bf16" : "fp32";
  machine.code_version = fmt::format("{} ({})", PANAL_VERSION, PANAL_COMMIT);
  return machine;
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

std::optional<double> measured_memory_bytes_per_s(const Clock& clock) {
  constexpr std::int64_t kElements = std::int64_t{1} << 24;  // 64 MiB each: beyond most caches.
  const at::Tensor sum = at::empty({kElements}, at::kFloat);
  const at::Tensor first = at::full({kElements}, 1.0f), second = at::full({kElements}, 2.0f);
  float* a = sum.data_ptr<float>();
  const float *b = first.const_data_ptr<float>(), *c = second.const_data_ptr<float>();
  double fastest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 4; ++i) {
    const Nanoseconds begin = clock.steady_now();
    at::parallel_for(0, kElements, 1 << 16, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t k = from; k < to; ++k) a[k] = b[k] + 3.0f * c[k];
    });
    fastest = std::min(fastest, seconds(clock.steady_now() - begin));
  }
  if (!(fastest > 0)) return std::nullopt;
  return 3.0 * sizeof(float) * static_cast<double>(kElements) / fastest;
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
