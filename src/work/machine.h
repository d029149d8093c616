// What is known of one computer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "work/codec.h"

namespace panal::work {

/// A computer as something is computed on it. Everything may be unknown.
struct Machine {
  std::string device = "cpu";  // "cpu", or what a GPU calls itself.
  std::string cpu{};           // Model name.
  std::optional<std::int64_t> cores{};
  std::optional<std::int64_t> threads{};  // Compute threads.
  std::optional<std::int64_t> memory_bytes{};
  std::string precision{};     // "fp32" or "bf16".
  std::string code_version{};  // "0.1.0 (1a2b3c4d5e6f)".
  /// Of the best matrix product found there, in `precision`.
  std::optional<double> peak_flops{};
  std::optional<double> memory_bytes_per_s{};
  /// Equal machine, threads and precision: figures may be put together.
  bool is_like(const Machine& other) const;
};

/// Of one computer with one number of threads and one precision.
struct MeasuredFacts {
  Machine machine{};  // With its peaks; its code_version says who measured.
  /// What a training process holds beside its tensors: the code of the libraries, their tables, the
  /// heap. By kind of run.
  std::optional<double> pretrain_process_bytes{}, lora_process_bytes{};
};

}  // namespace panal::work
