#include "base/clock.h"
#include "engine/commands/commands.h"
#include "machine/inventory.h"
#include "machine/measured_facts.h"
#include "recipe/plan_request.h"
#include "tensor/runtime.h"
#include "train/probes.h"
#include "train/process_memory.h"

namespace panal::engine {

Result<work::MeasuredFacts> measure(const work::MeasureJob& job, const JobContext&) {
  const recipe::PlanRequest request{.yaml = job.file.config,
                                    .name = job.file.config_name,
                                    .base_directory = job.file.base_directory.value_or(""),
                                    .processes = job.file.processes};
  PANAL_ASSIGN(const recipe::RunConfig config, recipe::parse_request(request));
  tensor::set_num_threads(static_cast<int>(recipe::planned_threads(config)));
  const bool is_adapter = config.kind == recipe::RunKind::kLora;
  work::MeasuredFacts facts;
  // First, while the process holds nothing else.
  PANAL_ASSIGN((is_adapter ? facts.lora_process_bytes : facts.pretrain_process_bytes),
               train::measured_process_bytes(config));
  const SystemClock clock;
  facts.machine = train::describe_machine(config.precision);
  facts.machine.peak_flops = train::gemm_peak_flops(config.precision, clock);
  facts.machine.memory_bytes_per_s = train::measured_memory_bytes_per_s(clock);
  return facts;
}

}  // namespace panal::engine
