#include "work/trace.h"

#include "work/detail/describe.h"

namespace panal::work {

template <typename Members>
void describe(Members& members, detail::Is<RouteScore> auto& self) {
  members.required("expert", self.expert);
  members.required("score", self.score, detail::kShare);
}

template <typename Members>
void describe(Members& members, detail::Is<PartTrace> auto& self) {
  members.required("index", self.index, detail::kCount);
  members.defaulted("text", self.text);
  members.required("expert", self.expert);
  members.optional("model_version", self.model_version);
  members.required("why", self.why);
  members.optional("confidence", self.confidence, detail::kShare);
  members.defaulted("alternatives", self.alternatives);
  members.required("prompt_tokens", self.prompt_tokens, detail::kCount);
  members.required("completion_tokens", self.completion_tokens, detail::kCount);
  members.optional("ttft_ms", self.time_to_first_token_ms, detail::kNotNegative);
  members.optional("tokens_per_s", self.tokens_per_s, detail::kNotNegative);
  members.required("energy", self.energy);
  members.optional("finish_reason", self.finish_reason);
  members.optional("fallback", self.fallback);
  members.optional("error", self.error);
  if (!self.panel.empty() || std::same_as<Members, detail::Decoder>) {
    members.defaulted("panel", self.panel);
  }
}

template <typename Members>
void describe(Members& members, detail::Is<TraceTotals> auto& self) {
  members.optional("tokens_per_s", self.tokens_per_s, detail::kNotNegative);
  members.inlined(self.energy);
  members.optional("gco2", self.gco2, detail::kNotNegative);
  members.required("gco2_method", self.gco2_method);
  members.required("wall_ms", self.wall_ms, detail::kNotNegative);
}

template <typename Members>
void describe(Members& members, detail::Is<Trace> auto& self) {
  members.required("request_id", self.request_id);
  members.required("endpoint", self.endpoint);
  members.required("parts", self.parts);
  members.required("totals", self.totals);
  members.optional("overhead_ms", self.overhead_ms);
}

PANAL_WORK_PART(Trace)

}  // namespace panal::work
