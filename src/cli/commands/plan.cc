#include <memory>
#include <optional>

#include "cli/commands/commands.h"
#include "cli/plan_text.h"
#include "energy/meter.h"
#include "machine/device_table.h"
#include "machine/inventory.h"
#include "machine/measured_facts.h"
#include "machine/product_probe.h"
#include "recipe/plan_request.h"
#include "store/file_system.h"
#include "store/home.h"
#include "work/training.h"

namespace panal::cli {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1u << 20;

struct PlanOptions {
  std::string config_file;
  std::string device = "cpu";
  std::optional<std::int64_t> count{};
  std::optional<std::int64_t> processes{};
  bool measures = false;
};

// panal-engine measures this computer as the run would use it; what it found stays in the home.
Status measure(const recipe::PlanRequest& request, Workspace& workspace) {
  const work::MeasureJob job{.file = {.config = request.yaml,
                                      .config_name = request.name,
                                      .base_directory = request.base_directory,
                                      .processes = request.processes}};
  PANAL_ASSIGN(const auto facts, workspace.run_job(job, "measuring"));
  PANAL_ASSIGN(const store::Home home, store::open_home());
  return machine::keep_facts(store::posix_file_system(), machine::facts_path(home.root), facts);
}

// A home that there is not yet, or a torn file in it, only means that nothing was measured.
std::vector<machine::MeasuredFacts> facts_of_home(Terminal& terminal) {
  const auto root = store::default_home_root();
  if (!root.ok()) return {};
  auto facts = machine::read_facts(machine::facts_path(*root));
  if (facts.ok()) return *std::move(facts);
  terminal.note(facts.status().message() + "; planned as if nothing had been measured");
  return {};
}

Result<Json> plan_training(const PlanOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(const std::string yaml, store::read_file(options.config_file, kMaxConfigBytes));
  const recipe::PlanRequest request{
      .yaml = yaml,
      .name = options.config_file,
      .base_directory = std::filesystem::absolute(options.config_file).parent_path(),
      .device = options.device,
      .count = options.count,
      .processes = options.processes};
  if (options.measures) {
    if (options.device != "cpu") {
      return Status(
          Code::kInvalidArgument,
          "--measure is for plans of the CPU, found it beside --device " + options.device);
    }
    PANAL_TRY(recipe::parse_request(request).status());
    PANAL_TRY(measure(request, workspace));
  }
  const recipe::KnownComputer computer{
      .machine = machine::inventory(),
      .watts_per_thread = energy::cpu_watts_per_thread_from_environment(),
      .measured =
          [facts = facts_of_home(workspace.terminal())](const machine::Machine& machine) {
            return machine::find_facts(facts, machine);
          },
      .probe =
          [&](tensor::Precision precision, int threads) {
            return machine::probe_product_flops(precision, threads, workspace.clock());
          }};
  PANAL_ASSIGN(const recipe::RunPlan plan, recipe::plan_file(request, computer));
  for (const TextBlock& block : plan_text(plan)) {
    if (block.table.empty()) {
      workspace.terminal().print(block.line);
    } else {
      workspace.terminal().table(block.table);
    }
  }
  return recipe::run_plan_to_json(plan);
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
  for (const machine::Device& device : machine::device_table()) {
    names += std::string(device.name) + ", ";
  }
  command->add_option("--device", options->device, names + "or cpu: this machine")
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
  command->add_flag("--measure", options->measures,
                    "First measure this machine with panal-engine, some seconds; later plans use "
                    "what was found");
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return plan_training(*options, workspace); };
  });
}

}  // namespace panal::cli
