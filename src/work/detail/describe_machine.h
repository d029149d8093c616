// A computer, as benchmarks, measurements and files tell of it.
#pragma once

#include "work/detail/members.h"
#include "work/machine.h"

namespace panal::work {

template <typename Members>
void describe(Members& members, detail::Is<Machine> auto& self) {
  members.defaulted("device", self.device);
  members.defaulted("cpu", self.cpu);
  members.optional("cores", self.cores, detail::kPositive);
  members.optional("threads", self.threads, detail::kPositive);
  members.optional("memory_bytes", self.memory_bytes, detail::kPositive);
  members.defaulted("precision", self.precision);
  members.defaulted("code_version", self.code_version);
  members.optional("peak_flops", self.peak_flops, detail::kNotNegative);
  members.optional("memory_bytes_per_s", self.memory_bytes_per_s, detail::kNotNegative);
}

template <typename Members>
void describe(Members& members, detail::Is<MeasuredFacts> auto& self) {
  members.required("machine", self.machine);
  members.optional("pretrain_process_bytes", self.pretrain_process_bytes, detail::kNotNegative);
  members.optional("lora_process_bytes", self.lora_process_bytes, detail::kNotNegative);
}

}  // namespace panal::work
