#include "cli/plan_text.h"

#include <fmt/format.h>

#include <utility>

#include "report/chart.h"

namespace panal::cli {
namespace {

using recipe::RunPlan;
using report::short_number;

std::string gibibytes(double bytes) { return fmt::format("{:.2f} GiB", bytes / (1 << 30)); }

class PlanText {
 public:
  explicit PlanText(const RunPlan& plan) : plan_(plan), processes_(plan.shape.processes) {}

  std::vector<TextBlock> blocks() {
    say_size();
    say_memory();
    say_remarks();
    if (plan_.fits) {
      say("It fits.");
    } else {
      say_measures();
      say_smaller_passes();
    }
    say_speed();
    return std::move(blocks_);
  }

 private:
  void say(std::string line) { blocks_.push_back({.line = std::move(line)}); }

  void say_size() {
    const std::string trained =
        plan_.shape.adapter
            ? fmt::format(
                  " and {} of adapters, which train",
                  short_number(static_cast<double>(recipe::trainable_parameters(plan_.shape))))
            : "";
    const std::string of_whom =
        processes_ > 1 ? fmt::format(" of all {} processes", processes_) : " of a device";
    say(fmt::format("{} parameters{}, {} x {} tokens per pass{}, {} passes per step",
                    short_number(static_cast<double>(plan_.shape.model.num_parameters())), trained,
                    plan_.shape.sequences, plan_.shape.context, of_whom, plan_.accumulate));
  }

  void say_memory() {
    const auto& device = plan_.device;
    std::vector<std::vector<std::string>> rows = {
        {processes_ == 1 ? "memory of one device"
         : device.is_gpu ? "memory of the GPU that holds the most"
                         : fmt::format("memory of the largest of {} processes", processes_),
         ""}};
    for (int i = 0; i < recipe::kNumMemoryKinds; ++i) {
      const auto kind = static_cast<recipe::MemoryKind>(i);
      rows.push_back({std::string(memory_kind_name(kind)), gibibytes(plan_.memory.bytes(kind))});
    }
    if (device.process_bytes > 0) {
      rows.push_back({fmt::format("the process itself ({})", device.process_source),
                      gibibytes(device.process_bytes)});
    }
    rows.push_back({fmt::format("together, at its peak ({})", plan_.memory.moment),
                    gibibytes(plan_.memory.bytes() + device.process_bytes)});
    if (processes_ > 1 && !device.is_gpu) {
      rows.push_back({fmt::format("all {} processes, each at its peak", processes_),
                      gibibytes(plan_.bytes() + processes_ * device.process_bytes)});
    }
    rows.push_back({fmt::format("usable of {}", gibibytes(device.memory_bytes)),
                    gibibytes(device.memory_bytes * device.usable_share)});
    blocks_.push_back({.line = {}, .table = std::move(rows)});
  }

  void say_remarks() {
    if (!plan_.device.is_gpu) return;
    if (processes_ == 1 && plan_.device.count > 1) {
      say("More GPUs than one site has, or than a pass has sequences: each holds all optimizer "
          "states.");
    }
    say("Planned, not measured on a GPU. The same tensors are measured on the CPU.");
  }

  // What to switch on, in this order, and what a device then holds.
  void say_measures() {
    if (plan_.measures.empty()) {
      say("It does not fit, and nothing that panal can do without would change that.");
      return;
    }
    say(plan_.fits_with_measures ? "It does not fit. With these settings it does, in this order:"
                                 : "It does not fit, not even with all of these settings:");
    const double processes = processes_ * plan_.device.process_bytes;
    std::vector<std::vector<std::string>> rows = {{"with this and all above it", "together", ""}};
    for (const recipe::MemoryMeasure& measure : plan_.measures) {
      const std::string remark =
          measure.host_bytes > 0 ? gibibytes(measure.host_bytes) + " on the host" : "";
      rows.push_back({measure.setting, gibibytes(measure.bytes + processes), remark});
    }
    blocks_.push_back({.line = {}, .table = std::move(rows)});
  }

  void say_smaller_passes() {
    if (!plan_.sequences_that_fit) return;
    const std::int64_t all =
        plan_.shape.sequences * plan_.accumulate * (processes_ > 1 ? 1 : plan_.device.count);
    say(fmt::format(
        "With nothing but the same batch in smaller parts it fits too: batch: {{sequences: {}, "
        "accumulate: {}}}.",
        *plan_.sequences_that_fit, all / *plan_.sequences_that_fit));
  }

  void say_speed() {
    const auto& device = plan_.device;
    say(fmt::format("{} x {}: {} tokens/s expected, {} tokens in {:.3g} hours, {}", device.count,
                    device.name, short_number(plan_.tokens_per_s), short_number(plan_.tokens),
                    plan_.hours,
                    plan_.kwh ? fmt::format("{:.3g} kWh", *plan_.kwh) : "energy unknown"));
    say(fmt::format(
        "tokens/s = count peak MFU / ({} + 12 L H Q T + O / B): {:.4g} MFLOP per token, O = {:.4g} "
        "GFLOP of Newton-Schulz per update of B tokens; peak {:.4g} TFLOP/s ({}); MFU {:.0f} % "
        "assumed: {}.",
        // A frozen core's weights have no gradients; A are those of the adapters.
        plan_.shape.adapter ? "4 N + 6 A" : "6 N", plan_.flops_per_token / 1e6,
        plan_.flops_per_update / 1e9, device.peak_flops / 1e12, device.peak_source,
        100 * device.assumed_mfu, device.mfu_reason));
    if (plan_.pass_imbalance > 1.005 || plan_.update_imbalance > 1.005) {
      say(
          fmt::format("Processes wait for the one with the most to do: passes count {:.3g} times, "
                      "updates {:.3g} times.",
                      plan_.pass_imbalance, plan_.update_imbalance));
    }
    say("Evaluations, checkpoints and, between devices or processes, communication are not "
        "counted.");
    if (device.watts > 0) {
      say(fmt::format("Energy at {:.4g} W a device ({}).", device.watts, device.watts_source));
    }
  }

  const RunPlan& plan_;
  const int processes_;
  std::vector<TextBlock> blocks_;
};

}  // namespace

std::vector<TextBlock> plan_text(const RunPlan& plan) { return PlanText(plan).blocks(); }

}  // namespace panal::cli
