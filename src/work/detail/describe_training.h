// Evaluations, as events and as part of a run's summary tell them.
#pragma once

#include "work/detail/describe.h"
#include "work/job_event.h"

namespace panal::work {

template <typename Members>
void describe(Members& members, detail::Is<TaskScore> auto& self) {
  members.required("name", self.name);
  members.required("items", self.items, detail::kPositive);
  members.required("acc", self.acc, detail::kShare);
  members.required("acc_norm", self.acc_norm, detail::kShare);
  members.optional("acc_stderr", self.acc_standard_error, detail::kShare);
  members.optional("acc_norm_stderr", self.acc_norm_standard_error, detail::kShare);
}

template <typename Members>
void describe(Members& members, detail::Is<EvaluationPoint> auto& self) {
  members.required("step", self.step, detail::kCount);
  members.required("tokens", self.tokens, detail::kCount);
  members.required("loss", self.loss);
  members.optional("perplexity", self.perplexity, detail::kNotNegative);
  members.optional("bits_per_byte", self.bits_per_byte, detail::kNotNegative);
  members.defaulted("tasks", self.tasks);
}

}  // namespace panal::work
