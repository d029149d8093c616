#include "work/check_jobs.h"

#include "work/detail/members.h"

namespace panal::work {

template <typename Members>
void describe(Members& members, detail::Is<ModelFacts> auto& self) {
  members.required("architecture", self.architecture);
  members.required("parameters", self.parameters, detail::kPositive);
  members.required("layers", self.layers, detail::kPositive);
  members.required("width", self.width, detail::kPositive);
  members.required("heads", self.heads, detail::kPositive);
  members.required("key_value_heads", self.key_value_heads, detail::kPositive);
  members.required("feed_forward_width", self.feed_forward_width, detail::kPositive);
  members.required("vocabulary_size", self.vocabulary_size, detail::kPositive);
  members.required("context_length", self.context_length, detail::kPositive);
  members.required("tied_embeddings", self.tied_embeddings);
  members.required("tokenizer_size", self.tokenizer_size, detail::kPositive);
  members.required("unused_tensors", self.unused_tensors);
  members.required("chat", self.can_chat);
  members.wish("chat_reason", self.why_no_chat);
  members.wish("chat_system", self.takes_system);
  members.wish("chat_tools", self.takes_tools);
  members.wish("chat_tools_reason", self.why_no_tools);
}

template <typename Members>
void describe(Members& members, detail::Is<CheckModelJob> auto& self) {
  members.required("model", self.model);
}

template <typename Members>
void describe(Members& members, detail::Is<AdapterFacts> auto& self) {
  members.required("type", self.type);
  members.required("rank", self.rank, detail::kPositive);
  members.required("alpha", self.alpha);
  members.required("targets", self.targets);
  members.required("base_model_name", self.base_model_name);
  members.required("parameters", self.parameters, detail::kPositive);
}

template <typename Members>
void describe(Members& members, detail::Is<CheckAdapterJob> auto& self) {
  members.required("model", self.model);
  members.required("adapter", self.adapter);
}

template <typename Members>
void describe(Members& members, detail::Is<ExportedFiles> auto& self) {
  members.required("folder", self.folder);
  members.required("parameters", self.parameters, detail::kPositive);
}

template <typename Members>
void describe(Members& members, detail::Is<ExportModelJob> auto& self) {
  members.required("model", self.model);
  members.required("output", self.output);
}

PANAL_WORK_CODEC(CheckModelJob)
PANAL_WORK_CODEC(ModelFacts)
PANAL_WORK_PART(ModelFacts)
PANAL_WORK_CODEC(CheckAdapterJob)
PANAL_WORK_CODEC(AdapterFacts)
PANAL_WORK_PART(AdapterFacts)
PANAL_WORK_CODEC(ExportModelJob)
PANAL_WORK_CODEC(ExportedFiles)

}  // namespace panal::work
