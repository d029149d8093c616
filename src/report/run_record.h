// What is known of one training run or benchmark, read from its files alone: nothing here needs
// the program that trained, so runs of other machines are compared by copying their folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "energy/meter.h"

namespace panal::report {

struct StepPoint {
  std::int64_t step = 0;         // 1 is the first update.
  std::optional<double> loss{};  // Nats per token; empty where it was not finite.
  std::optional<double> gradient_norm{};
  std::int64_t tokens = 0;  // Trained on up to and with this step.
  double seconds = 0;       // Of this step.
  bool was_skipped = false;
};

struct ValidationPoint {
  std::int64_t step = 0;
  double loss = 0;  // Nats per token.
};

/// Where a call of the trainer ran. Everything may be unknown.
struct Machine {
  std::string device = "cpu";  // "cpu", or what a GPU calls itself.
  std::string cpu{};           // Model name.
  std::optional<std::int64_t> cores{};
  std::optional<std::int64_t> threads{};  // Compute threads of the run.
  std::optional<std::int64_t> memory_bytes{};
  std::string precision{};     // "fp32" or "bf16".
  std::string code_version{};  // "0.1.0 (1a2b3c4d5e6f)".
  /// Of the best matrix product found there, in `precision`.
  std::optional<double> peak_flops{};
  std::optional<double> memory_bytes_per_s{};
  /// Equal machine, threads and precision: figures may be put together.
  bool is_like(const Machine& other) const;
};

/// One call of the trainer: the beginning, or a resume.
struct Call {
  std::int64_t from_step = 0;  // Updates done when it began.
  Machine machine{};
  std::optional<std::int64_t> peak_resident_bytes{};    // Of all processes together.
  std::optional<std::int64_t> largest_process_bytes{};  // Of several processes.
  std::optional<std::int64_t> peak_device_bytes{};      // Of tensors on one GPU, the first rank's.
};

/// The terms of the PaLM formula, where the run is one it holds for.
struct ModelCost {
  std::int64_t matrix_parameters = 0;  // N: with the head, without embeddings.
  std::int64_t layers = 0, heads = 0, head_width = 0, context = 0;
  double flops_per_token() const;  // 6 N + 12 L H Q T
};

struct RunRecord {
  std::string name{};
  std::string source{};  // The path it was read from.
  std::string status{};  // "completed", "time_limit", "stopped", "benchmark", or "no summary".
  std::optional<std::int64_t> parameters{};
  std::optional<std::int64_t> planned_steps{};
  std::vector<StepPoint> steps{};             // By ascending step.
  std::vector<ValidationPoint> validation{};  // Likewise; empty for a run without.
  std::vector<Call> calls{};                  // By ascending from_step; empty: not recorded.
  std::optional<ModelCost> cost{};
  std::optional<double> wall_seconds{};         // Evaluations and checkpoints included.
  std::optional<double> median_tokens_per_s{};  // Benchmarks that list no steps.
  std::optional<std::int64_t> energy_tokens{};  // What `energy` was spent on.
  energy::EnergyReading energy{};
  std::vector<std::string> notes{};  // For people: what was left out and why.
};

/// Reads a run directory (metrics.jsonl, and summary.json, config.json, plan.json, machines.json
/// where they are; also its parent as `panal train` prints it), or a JSON file that `panal bench
/// train --json` or the PyTorch script beside it printed. A last metrics line cut off by a crash
/// is left out with a note.
/// Errors: kNotFound; kCorrupt for a line or file that cannot be read, naming file and line.
Result<RunRecord> read_run(const std::filesystem::path& path);

/// The "machine" object of machines.json and of benchmarks.
Result<Machine> machine_from_json(const Json& json, const std::string& where);
Json machine_to_json(const Machine& machine);
Result<ModelCost> model_cost_from_json(const Json& json, const std::string& where);
Json model_cost_to_json(const ModelCost& cost);

}  // namespace panal::report
