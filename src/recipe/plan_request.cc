#include "recipe/plan_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "machine/device_table.h"
#include "machine/inventory.h"
#include "tokenizer/tokenizer.h"

namespace panal::recipe {
namespace {

constexpr std::int64_t kMostDevices = 65536;

// Devices of one site are processes that share out their states. More than that, or than there are
// sequences, are counted as many sites, each with all states.
std::int64_t processes_on(std::int64_t count, const RunConfig& config) {
  return count <= std::min(kMostProcesses, config.batch.sequences) ? count : 1;
}

std::int64_t count_of(const PlanRequest& request, const RunConfig& config) {
  return request.count.value_or(request.device == "cpu" ? 1 : config.parallel.processes);
}

Status check(const PlanRequest& request) {
  if (request.device != "cpu") PANAL_TRY(machine::find_device(request.device).status());
  if (request.device != "cpu" && request.processes) {
    return Status(Code::kInvalidArgument,
                  "--processes is for plans of the CPU, found it beside --device " +
                      request.device + ": there --count says how many share a batch");
  }
  if (request.count && (*request.count < 1 || *request.count > kMostDevices)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("--count must be 1 to {}, found {}", kMostDevices, *request.count));
  }
  if (request.processes && (*request.processes < 1 || *request.processes > kMostProcesses)) {
    return Status(Code::kInvalidArgument, fmt::format("--processes must be 1 to {}, found {}",
                                                      kMostProcesses, *request.processes));
  }
  return Status();
}

// A GPU multiplies in bfloat16 whatever this CPU can.
RunsOn runs_on(const PlanRequest& request) {
  if (request.device != "cpu") return {.multiplies_bfloat16 = true};
  return {.multiplies_bfloat16 = machine::cpu_multiplies_bfloat16(), .why_no_cuda = [](int) {
            return std::string("a plan is of the CPU unless --device names a GPU");
          }};
}

void put_speed(const KnownComputer& computer, const std::optional<machine::MeasuredFacts>& facts,
               tensor::Precision precision, PlannedDevice& device, std::int64_t threads) {
  if (facts && facts->machine.peak_flops) {
    device.peak_flops = *facts->machine.peak_flops;
    device.peak_source = fmt::format("the best 2,048 x 2,048 product, measured here by version {}",
                                     facts->machine.code_version);
    return;
  }
  if (!computer.probe) return;
  device.peak_flops = computer.probe(precision, static_cast<int>(threads)).value_or(0);
  device.peak_source =
      "panal's own product in the cache, timed now; `panal plan --measure` times all libraries";
}

void put_process(const RunConfig& config, const std::optional<machine::MeasuredFacts>& facts,
                 PlannedDevice& device) {
  std::optional<double> measured;
  if (facts) {
    measured =
        config.kind == RunKind::kLora ? facts->lora_process_bytes : facts->pretrain_process_bytes;
  }
  device.process_bytes = measured.value_or(kUsualProcessBytes);
  device.process_source = measured ? "measured here after a step of a tiny model"
                                   : "as found elsewhere; `panal plan --measure` measures it";
}

}  // namespace

Result<RunConfig> parse_request(const PlanRequest& request) {
  PANAL_TRY(check(request));
  PANAL_ASSIGN(RunConfig config, parse_run_config(request.yaml, request.name,
                                                  request.base_directory, runs_on(request)));
  if (request.device != "cpu" && request.count) {
    config.parallel.processes = processes_on(*request.count, config);
  }
  if (request.processes) {
    config.parallel.processes = *request.processes;
    PANAL_TRY(check_processes(config).with_context("--processes"));
  }
  return config;
}

std::int64_t planned_threads(const RunConfig& config) {
  const std::int64_t processes = config.parallel.processes;
  const std::int64_t threads = config.limits.threads;
  if (processes == 1) return threads > 0 ? threads : machine::num_cores();
  return std::min(processes * machine::threads_of_process(threads, processes),
                  machine::num_cores());
}

Result<PlannedDevice> planned_cpu(const RunConfig& config, const KnownComputer& computer) {
  const bool is_adapter = config.kind == RunKind::kLora;
  const bool is_rounded = config.precision == tensor::Precision::kBFloat16;
  const std::int64_t threads = planned_threads(config);
  machine::Machine machine = computer.machine;
  machine.threads = threads;
  machine.precision = tensor::precision_name(config.precision);
  PlannedDevice device{
      .name = machine::machine_label(machine),
      .memory_bytes = static_cast<double>(machine.memory_bytes.value_or(0)),
      .usable_share = 0.95,
      .watts = computer.watts_per_thread * static_cast<double>(threads),
      .watts_source = "estimated: watts per busy thread, as PANAL_CPU_WATTS_PER_THREAD has it",
      .assumed_mfu = is_adapter ? (is_rounded ? 0.5 : 0.65) : 0.75,
      .mfu_reason =
          is_adapter
              ? "of 4 N in place of 6 N, as LoRA's tokens/s in docs/benchmarks.md were measured"
              : "73 to 89 % were measured for GPT-2 and LLaMA, two processes of one thread "
                "were as fast as one of two, see docs/benchmarks.md"};
  const auto facts = computer.measured ? computer.measured(machine) : std::nullopt;
  put_speed(computer, facts, config.precision, device, threads);
  put_process(config, facts, device);
  if (!(device.peak_flops > 0)) {
    return Status(Code::kInternal, "how fast this CPU multiplies is neither known nor measurable");
  }
  return device;
}

Result<RunPlan> plan_file(const PlanRequest& request, const KnownComputer& computer) {
  PANAL_ASSIGN(const RunConfig config, parse_request(request));
  std::int64_t vocabulary = config.tokenizer.vocabulary_size;
  if (config.kind == RunKind::kPretrain && !config.tokenizer.path.empty()) {
    PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
                 tokenizer::Tokenizer::load(config.tokenizer.path));
    vocabulary = tokenizer.vocabulary_size();
  }
  const std::int64_t count = count_of(request, config);
  PlannedDevice device;
  if (request.device == "cpu") {
    PANAL_ASSIGN(device, planned_cpu(config, computer));
    device.count = count;
  } else {
    PANAL_ASSIGN(const machine::Device found, machine::find_device(request.device));
    device = planned_device(found, config.precision, count);
  }
  return plan_run(config, vocabulary, std::move(device));
}

}  // namespace panal::recipe
