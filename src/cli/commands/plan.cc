#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/commands/commands.h"
#include "report/chart.h"
#include "report/device_table.h"
#include "store/file_system.h"

namespace panal::cli {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1u << 20;

struct PlanOptions {
  std::string config_file;
  std::string device = "cpu";
  std::optional<std::int64_t> count{};
  std::optional<int> processes{};
};

bool is_adapter(const Json& plan) { return plan.value("kind", "") == "lora"; }

std::string gibibytes(double bytes) { return fmt::format("{:.2f} GiB", bytes / (1 << 30)); }

// What to switch on, in this order, and what a device then holds.
void print_measures(const Json& memory, double process, Terminal& terminal) {
  if (memory.at("measures").empty()) {
    terminal.print("It does not fit, and nothing that panal can do without would change that.");
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"with this and all above it", "together", ""}};
  for (const Json& measure : memory.at("measures")) {
    const double host = measure.value("host_bytes", 0.0);
    const std::string remark = host > 0 ? gibibytes(host) + " on the host" : "";
    rows.push_back(
        {measure.value("setting", ""), gibibytes(measure.value("bytes", 0.0) + process), remark});
  }
  terminal.print(memory.value("fits_with_measures", false)
                     ? "It does not fit. With these settings it does, in this order:"
                     : "It does not fit, not even with all of these settings:");
  terminal.table(rows);
}

void print_memory(const Json& plan, Terminal& terminal) {
  const Json &memory = plan.at("memory"), &device = plan.at("device");
  const auto processes = plan.value("processes", std::int64_t{1});
  const bool is_gpu = device.value("is_gpu", false);
  std::vector<std::vector<std::string>> rows = {
      {processes == 1 ? "memory of one device"
       : is_gpu       ? "memory of the GPU that holds the most"
                      : fmt::format("memory of the largest of {} processes", processes),
       ""}};
  for (const auto& [kind, bytes] : memory.at("by_kind").items()) {
    rows.push_back({kind, gibibytes(bytes.get<double>())});
  }
  const double process = memory.value("process_bytes", 0.0);
  if (process > 0) rows.push_back({"the process itself", gibibytes(process)});
  rows.push_back({fmt::format("together, at its peak ({})", memory.value("moment", "")),
                  gibibytes(memory.value("bytes", 0.0) + process)});
  if (processes > 1 && !is_gpu) {
    rows.push_back({fmt::format("all {} processes, each at its peak", processes),
                    gibibytes(memory.value("device_bytes", 0.0))});
  }
  rows.push_back(
      {fmt::format("usable of {}", gibibytes(device.value("memory_bytes", 0.0))),
       gibibytes(device.value("memory_bytes", 0.0) * device.value("usable_share", 0.0))});
  terminal.table(rows);
  if (is_gpu && processes == 1 && device.value("count", 1) > 1) {
    terminal.print(
        "More GPUs than one site has, or than a pass has sequences: each holds all optimizer "
        "states.");
  }
  if (is_gpu) {
    terminal.print(
        "Planned, not measured on a GPU. The same tensors are measured on the "
        "CPU.");
  }
  if (memory.value("fits", false)) {
    terminal.print("It fits.");
    return;
  }
  print_measures(memory, process * static_cast<double>(processes), terminal);
  if (json_has(memory, "sequences_that_fit")) {
    const auto sequences = memory.at("sequences_that_fit").get<std::int64_t>();
    const auto all = plan.value("sequences", std::int64_t{1}) *
                     plan.value("accumulate", std::int64_t{1}) *
                     (processes > 1 ? 1 : device.value("count", std::int64_t{1}));
    terminal.print(fmt::format(
        "With nothing but the same batch in smaller parts it fits too: batch: {{sequences: {}, "
        "accumulate: {}}}.",
        sequences, all / sequences));
  }
}

void print_speed(const Json& plan, Terminal& terminal) {
  const Json& device = plan.at("device");
  terminal.print(fmt::format(
      "{} x {}: {} tokens/s expected, {} tokens in {:.3g} hours, {}", device.value("count", 1),
      device.value("name", ""), report::short_number(plan.value("tokens_per_s", 0.0)),
      report::short_number(plan.value("tokens", 0.0)), plan.value("hours", 0.0),
      json_has(plan, "kwh") ? fmt::format("{:.3g} kWh", plan.at("kwh").get<double>())
                            : std::string("energy unknown")));
  terminal.print(fmt::format(
      "tokens/s = count peak MFU / ({} + 12 L H Q T + O / B): {:.4g} MFLOP per token, O = {:.4g} "
      "GFLOP of Newton-Schulz per update of B tokens; peak {:.4g} TFLOP/s ({}); MFU {:.0f} % "
      "assumed: {}.",
      // A frozen core's weights have no gradients; A are those of the adapters.
      is_adapter(plan) ? "4 N + 6 A" : "6 N", plan.value("flops_per_token", 0.0) / 1e6,
      plan.value("flops_per_update", 0.0) / 1e9, device.value("peak_flops", 0.0) / 1e12,
      device.value("peak_source", ""), 100 * device.value("assumed_mfu", 0.0),
      device.value("mfu_reason", "")));
  const double passes = plan.value("pass_imbalance", 1.0);
  const double updates = plan.value("update_imbalance", 1.0);
  if (passes > 1.005 || updates > 1.005) {
    terminal.print(fmt::format(
        "Processes wait for the one with the most to do: passes count {:.3g} times, updates {:.3g} "
        "times.",
        passes, updates));
  }
  terminal.print(
      "Evaluations, checkpoints and, between devices or processes, communication are not counted.");
  if (json_has(device, "watts")) {
    terminal.print(fmt::format("Energy at {:.4g} W a device ({}).", device.value("watts", 0.0),
                               device.value("watts_source", "")));
  }
}

Result<Json> plan_training(const PlanOptions& options, Workspace& workspace) {
  if (options.device != "cpu") PANAL_TRY(report::find_device(options.device).status());
  PANAL_ASSIGN(const std::string config, store::read_file(options.config_file, kMaxConfigBytes));
  const auto base = std::filesystem::absolute(options.config_file).parent_path().string();
  Json spec = {{"config", config},
               {"config_name", options.config_file},
               {"base_directory", base},
               {"device", options.device}};
  if (options.count) spec["count"] = *options.count;
  if (options.processes) spec["processes"] = *options.processes;
  PANAL_ASSIGN(Json plan, workspace.run_job("plan", spec, "planning"));
  const std::string trained =
      is_adapter(plan) ? fmt::format(" and {} of adapters, which train",
                                     report::short_number(plan.value("trainable_parameters", 0.0)))
                       : "";
  const auto processes = plan.value("processes", std::int64_t{1});
  const std::string of_whom =
      processes > 1 ? fmt::format(" of all {} processes", processes) : " of a device";
  workspace.terminal().print(fmt::format(
      "{} parameters{}, {} x {} tokens per pass{}, {} passes per step",
      report::short_number(plan.value("parameters", 0.0)), trained, plan.value("sequences", 0),
      plan.value("context", 0), of_whom, plan.value("accumulate", 0)));
  print_memory(plan, workspace.terminal());
  print_speed(plan, workspace.terminal());
  return plan;
}

}  // namespace

void add_plan_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<PlanOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "plan",
      "What a run file will take: memory by kind, tokens/s, hours, kWh; nothing is trained");
  command
      ->add_option("run", options->config_file,
                   "Run file, as for panal train; kind: pretrain or lora")
      ->required();
  std::string names;
  for (const report::Device& device : report::device_table()) {
    names += std::string(device.name) + ", ";
  }
  command->add_option("--device", options->device, names + "or cpu: this machine, measured")
      ->capture_default_str();
  command
      ->add_option("--count", options->count,
                   "Devices that share the batch of each step; with GPUs by default "
                   "parallel.processes")
      ->check(CLI::Range(1, 65536));
  command
      ->add_option("--processes", options->processes,
                   "Processes of this machine that share each batch, instead of parallel.processes")
      ->check(CLI::Range(1, 64));
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return plan_training(*options, workspace); };
  });
}

}  // namespace panal::cli
