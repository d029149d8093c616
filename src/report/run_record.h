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
#include "machine/machine.h"
#include "recipe/model_cost.h"

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

/// One call of the trainer: the beginning, or a resume.
struct Call {
  std::int64_t from_step = 0;  // Updates done when it began.
  machine::Machine machine{};
  std::optional<std::int64_t> peak_resident_bytes{};    // Of all processes together.
  std::optional<std::int64_t> largest_process_bytes{};  // Of several processes.
  std::optional<std::int64_t> peak_device_bytes{};      // Of tensors on one GPU, the first rank's.
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
  std::optional<recipe::ModelCost> cost{};
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

}  // namespace panal::report
