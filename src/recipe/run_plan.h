// What a run will take on a device, before it starts: memory and whether it fits, speed, hours and
// energy. Every assumption is in the result beside the figure it made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "machine/device_table.h"
#include "recipe/memory_plan.h"
#include "recipe/run_config.h"

namespace panal::recipe {

/// The device as the plan sees it.
struct PlannedDevice {
  std::string name{};
  std::int64_t count = 1;        // Devices that share each step's batch, 1 to 65536.
  double peak_flops = 0;         // Of one, per second, in the run's precision; over 0.
  std::string peak_source{};     // "maker's dense figure", "measured now".
  double memory_bytes = 0;       // Of one.
  double usable_share = 0.92;    // Of memory_bytes: the rest is for driver, system, fragments.
  double process_bytes = 0;      // Held by each process beside its tensors.
  std::string process_source{};  // "measured here", or where else it is from.
  double watts = 0;              // Of one at full load; 0: unknown.
  std::string watts_source{};
  double assumed_mfu = 0;  // Over 0 to 1.
  std::string mfu_reason{};
  /// Its memory is not the host's: checkpoints are copied to the host. Training on one is planned
  /// only; nothing of it is measured.
  bool is_gpu = false;
};

/// A maker's device.
PlannedDevice planned_device(const machine::Device& device, tensor::Precision precision,
                             std::int64_t count);

/// A setting that makes a run hold less.
struct MemoryMeasure {
  std::string setting;    // As the run file says it: "memory: {recompute: full}".
  double bytes = 0;       // Of a device, as RunPlan::bytes(), with this and all before it.
  double host_bytes = 0;  // What it moves to the host.
};

struct RunPlan {
  PlannedDevice device{};
  StepShape shape{};            // Of one pass, of one device or of all processes together.
  std::int64_t accumulate = 1;  // Passes per step.
  MemoryPlan memory{};          // Of the process that holds the most.
  std::vector<double> bytes_by_process{};  // Of each at its peak.
  /// Of a device: of its processes together, or of the GPU whose process holds the most.
  double bytes() const;
  bool fits = false;
  /// The largest number of sequences per pass that fits, when the config's does not; the passes
  /// grow in number, the batch stays.
  std::optional<std::int64_t> sequences_that_fit{};
  /// When the config does not fit: what to switch on, in this order, each where it helps: bfloat16
  /// weights and states, recomputation, smaller passes, no copy for checkpoints, on a GPU states in
  /// host memory. The last one fits when anything does.
  std::vector<MemoryMeasure> measures{};
  bool fits_with_measures = false;
  double flops_per_token = 0;   // Under adapters without the gradients of frozen weights.
  double flops_per_update = 0;  // Newton-Schulz of the hidden matrices, shared by the devices.
  /// Processes wait for the one with the most to do: its share of a pass and of an update times
  /// their number, 1 where the work divides evenly.
  double pass_imbalance = 1, update_imbalance = 1;
  double tokens_per_s = 0;  // Of all devices.
  std::int64_t steps = 0;   // 0: the time limit decides.
  double tokens = 0, hours = 0;
  std::optional<double> kwh{};
};

/// `vocabulary_size`: of the tokenizer a pre-training run will have; an adapter run has its core's,
/// whose dimensions are read from config.model.core, without weights. config.parallel.processes
/// share the machine that is planned for, or are on as many GPUs (device.count), whose states are
/// then shared out; GPUs without processes each hold all. Errors: kInvalidArgument when
/// the model or the adapter is invalid, the batch cannot be shared by the devices or processes, or
/// the count does not suit the processes; those of load_model_config() for a core.
Result<RunPlan> plan_run(const RunConfig& config, std::int64_t vocabulary_size,
                         PlannedDevice device);
/// Elements that a step updates: of the adapters, or of the whole model.
std::int64_t trainable_parameters(const StepShape& shape);
Json run_plan_to_json(const RunPlan& plan);

}  // namespace panal::recipe
