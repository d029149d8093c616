// From a run file to its plan: which computer it is for, how many devices or processes share it,
// and what is known of this computer. `panal plan` without a terminal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "machine/machine.h"
#include "machine/measured_facts.h"
#include "recipe/run_config.h"
#include "recipe/run_plan.h"

namespace panal::recipe {

struct PlanRequest {
  std::string yaml{};  // The run file's text, and its name in messages.
  std::string name = "run.yaml";
  std::filesystem::path base_directory{};   // Of relative paths in it.
  std::string device = "cpu";               // This computer, or a name of machine/device_table.h.
  std::optional<std::int64_t> count{};      // Devices, 1 to 65536.
  std::optional<std::int64_t> processes{};  // Instead of the file's; of the CPU only.
};

/// This computer, as far as it is known.
struct KnownComputer {
  machine::Machine machine{};  // machine::inventory().
  double watts_per_thread = 0;
  /// Of threads and precision of a run, what was measured before; may return nothing.
  std::function<std::optional<machine::MeasuredFacts>(const machine::Machine&)> measured{};
  /// FLOP/s of so many threads, where nothing was measured; may return nothing.
  std::function<std::optional<double>(tensor::Precision precision, int threads)> probe{};
};

/// What a training process holds beside its tensors where it was not measured: as found with
/// PyTorch 2.11 on x86-64.
inline constexpr double kUsualProcessBytes = 134.0 * (1 << 20);

/// The config as it will run: request.processes and, on GPUs, request.count applied. Errors: those
/// of parse_run_config(); kInvalidArgument for a device, count or number of processes that cannot
/// be.
Result<RunConfig> parse_request(const PlanRequest& request);

/// The CPU's threads that the run will have: all of its processes together, on no more cores than
/// there are.
std::int64_t planned_threads(const RunConfig& config);

/// This computer as `config` would use it: what was measured, else probed, each with its method
/// said. Errors: kInternal when neither gives its speed.
Result<PlannedDevice> planned_cpu(const RunConfig& config, const KnownComputer& computer);

/// Errors: those of the two above, of the tokenizer that the file names, and of plan_run().
Result<RunPlan> plan_file(const PlanRequest& request, const KnownComputer& computer);

}  // namespace panal::recipe
