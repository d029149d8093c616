// What is known of one computer, for people and for files: runs and benchmarks write it beside
// their figures, so that those of two computers are never put together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace panal::machine {

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

/// "AMD EPYC, 2 cores, 2 threads, bf16", as far as it is known.
std::string machine_label(const Machine& machine);

/// The "machine" object of machines.json and of benchmarks. Errors: kInvalidArgument naming `where`
/// and the member.
Result<Machine> machine_from_json(const Json& json, const std::string& where);
Json machine_to_json(const Machine& machine);

}  // namespace panal::machine
