#include "base/clock.h"
#include "engine/commands/commands.h"
#include "machine/inventory.h"
#include "machine/measured_facts.h"
#include "recipe/plan_request.h"
#include "tensor/runtime.h"
#include "train/probes.h"
#include "train/process_memory.h"

namespace panal::engine {

Result<Json> measure(const JobContext& job) {
  recipe::PlanRequest request;
  PANAL_ASSIGN(request.yaml, json_string(job.spec, "config", "job"));
  PANAL_ASSIGN(request.name, json_string(job.spec, "config_name", "job"));
  PANAL_ASSIGN(request.base_directory, json_string(job.spec, "base_directory", "job"));
  if (json_has(job.spec, "processes")) {
    PANAL_ASSIGN(request.processes,
                 json_integer(job.spec, "processes", "job", 1, recipe::kMostProcesses));
  }
  PANAL_ASSIGN(const recipe::RunConfig config, recipe::parse_request(request));
  tensor::set_num_threads(static_cast<int>(recipe::planned_threads(config)));
  const bool is_adapter = config.kind == recipe::RunKind::kLora;
  machine::MeasuredFacts facts;
  // First, while the process holds nothing else.
  PANAL_ASSIGN((is_adapter ? facts.lora_process_bytes : facts.pretrain_process_bytes),
               train::measured_process_bytes(config));
  const SystemClock clock;
  facts.machine = train::describe_machine(config.precision);
  facts.machine.peak_flops = train::gemm_peak_flops(config.precision, clock);
  facts.machine.memory_bytes_per_s = train::measured_memory_bytes_per_s(clock);
  return machine::facts_to_json(facts);
}

}  // namespace panal::engine
