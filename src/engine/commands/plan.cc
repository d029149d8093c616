#include <algorithm>
#include <thread>
#include <utility>

#include "energy/meter.h"
#include "engine/commands/commands.h"
#include "report/analysis.h"
#include "tensor/runtime.h"
#include "tokenizer/tokenizer.h"
#include "train/benchmark.h"
#include "train/machine.h"
#include "train/process_memory.h"
#include "train/run_plan.h"

namespace panal::engine {
namespace {

constexpr std::int64_t kMostDevices = 65536;

// As many threads as the run will have, on no more cores than there are.
void use_threads_of(const train::TrainConfig& config) {
  const std::int64_t processes = config.parallel.processes;
  std::int64_t threads = config.limits.threads;
  if (processes > 1) {
    const std::int64_t all = processes * train::threads_of_process(threads, processes);
    threads = std::min<std::int64_t>(all, std::max(1u, std::thread::hardware_concurrency()));
  }
  if (threads > 0) tensor::set_num_threads(static_cast<int>(threads));
}

// This machine: its product is measured, its memory asked for.
Result<train::PlannedDevice> this_cpu(const train::TrainConfig& config, std::int64_t count) {
  use_threads_of(config);
  const SystemClock clock;
  const bool is_adapter = config.kind == train::RunKind::kLora;
  const bool is_rounded = config.precision == tensor::Precision::kBFloat16;
  PANAL_ASSIGN(const std::optional<double> process_bytes, train::measured_process_bytes(config));
  const report::Machine machine = train::describe_machine(config.precision);
  const double watts = energy::cpu_watts_per_thread_from_environment();
  return train::PlannedDevice{
      .name = report::machine_label(machine),
      .count = count,
      .peak_flops = train::gemm_peak_flops(config.precision, clock),
      .peak_source = "the best 2,048 x 2,048 product, measured now",
      .memory_bytes = static_cast<double>(machine.memory_bytes.value_or(0)),
      .usable_share = 0.95,
      .process_bytes = process_bytes.value_or(0),
      .watts = watts * static_cast<double>(machine.threads.value_or(1)),
      .watts_source = "estimated: watts per busy thread, as PANAL_CPU_WATTS_PER_THREAD has it",
      .assumed_mfu = is_adapter ? (is_rounded ? 0.5 : 0.65) : 0.75,
      .mfu_reason =
          is_adapter
              ? "of 4 N in place of 6 N, as LoRA's tokens/s in docs/benchmarks.md were measured"
              : "73 to 89 % were measured for GPT-2 and LLaMA, two processes of one thread "
                "were as fast as one of two, see docs/benchmarks.md"};
}

// Devices of one site are processes that share out their states. More than that, or than there are
// sequences, are counted as many sites, each with all states.
std::int64_t processes_on(std::int64_t count, const train::TrainConfig& config) {
  return count <= std::min(train::kMostProcesses, config.batch.sequences) ? count : 1;
}

}  // namespace

Result<Json> plan(const JobContext& job) {
  PANAL_ASSIGN(const std::string yaml, json_string(job.spec, "config", "job"));
  PANAL_ASSIGN(const std::string name, json_string(job.spec, "config_name", "job"));
  PANAL_ASSIGN(const std::string base, json_string(job.spec, "base_directory", "job"));
  PANAL_ASSIGN(const std::string device, json_string(job.spec, "device", "job"));
  // A GPU multiplies in bfloat16 whatever this CPU can.
  const train::RunsOn runs_on = device == "cpu"
                                    ? train::RunsOn{}
                                    : train::RunsOn{.multiplies_bfloat16 = true, .is_here = false};
  PANAL_ASSIGN(train::TrainConfig config, train::parse_train_config(yaml, name, base, runs_on));
  std::int64_t count = 1;
  if (device != "cpu") count = config.parallel.processes;
  if (json_has(job.spec, "count")) {
    PANAL_ASSIGN(count, json_integer(job.spec, "count", "job", 1, kMostDevices));
    if (device != "cpu") config.parallel.processes = processes_on(count, config);
  }
  if (json_has(job.spec, "processes")) {
    if (device != "cpu") {
      return Status(Code::kInvalidArgument,
                    "--processes is for plans of the CPU, found it beside --device " + device +
                        ": there --count says how many share a batch");
    }
    PANAL_ASSIGN(config.parallel.processes,
                 json_integer(job.spec, "processes", "job", 1, train::kMostProcesses));
    PANAL_TRY(train::check_processes(config).with_context("--processes"));
  }
  std::int64_t vocabulary = config.tokenizer.vocabulary_size;
  if (config.kind == train::RunKind::kPretrain && !config.tokenizer.path.empty()) {
    PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
                 tokenizer::Tokenizer::load(config.tokenizer.path));
    vocabulary = tokenizer.vocabulary_size();
  }
  train::PlannedDevice planned;
  if (device == "cpu") {
    PANAL_ASSIGN(planned, this_cpu(config, count));
  } else {
    PANAL_ASSIGN(const report::Device found, report::find_device(device));
    planned = train::planned_device(found, config.precision, count);
  }
  PANAL_ASSIGN(const train::RunPlan made, train::plan_run(config, vocabulary, std::move(planned)));
  return train::run_plan_to_json(made);
}

}  // namespace panal::engine
