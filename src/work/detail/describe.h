// Descriptions of types that stand inside several others.
#pragma once

#include "work/detail/members.h"
#include "work/energy_reading.h"
#include "work/failure.h"
#include "work/generation.h"

namespace panal::work {

template <typename Members>
void describe(Members& members, detail::Is<EnergyReading> auto& self) {
  members.optional("joules", self.joules, detail::kNotNegative);
  members.required("method", self.method);
  members.defaulted("detail", self.detail);
}

template <typename Members>
void describe(Members& members, detail::Is<Failure> auto& self) {
  members.required("code", self.code);
  members.required("message", self.message);
}

template <typename Members>
void describe(Members& members, detail::Is<AdapterFolder> auto& self) {
  members.required("name", self.name);
  members.required("folder", self.folder);
}

template <typename Members>
void describe(Members& members, detail::Is<ServerFacts> auto& self) {
  members.required("context_length", self.context_length, detail::kPositive);
  members.required("vocabulary_size", self.vocabulary_size, detail::kPositive);
  members.required("adapters", self.adapters);
  members.required("has_chat_template", self.has_chat_template);
}

}  // namespace panal::work
