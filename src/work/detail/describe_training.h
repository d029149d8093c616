// Progress and evaluations, as events and as a run's summary tell them.
#pragma once

#include "work/detail/members.h"
#include "work/training.h"

namespace panal::work {

detail::EnumNames<RunStatus> enum_names(RunStatus);

template <typename Members>
void describe(Members& members, detail::Is<TrainingProgress> auto& self) {
  members.required("step", self.step, detail::kCount);
  members.required("steps", self.steps, detail::kCount);
  members.optional("loss", self.loss);
  members.required("learning_rate", self.learning_rate);
  members.required("tokens", self.tokens, detail::kCount);
  members.optional("tokens_per_s", self.tokens_per_s, detail::kNotNegative);
  members.optional("seconds_left", self.seconds_left, detail::kNotNegative);
}

template <typename Members>
void describe(Members& members, detail::Is<TaskScore> auto& self) {
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
  if (!self.tasks.empty() || std::same_as<Members, detail::Decoder>) {
    members.defaulted("tasks", self.tasks);
  }
}

}  // namespace panal::work
