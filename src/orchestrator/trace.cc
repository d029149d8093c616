// The `panal` object: the trace as JSON, unknown numbers as null.
#include "orchestrator/detail/request_text.h"
#include "orchestrator/orchestrator.h"

namespace panal::orchestrator {
namespace {

constexpr std::size_t kExcerptBytes = 120;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json alternatives_json(const std::vector<RouteScore>& alternatives) {
  Json json = Json::array();
  for (const RouteScore& other : alternatives)
    json.push_back({{"expert", other.expert}, {"score", other.score}});
  return json;
}

Json energy_json(const energy::EnergyReading& energy) {
  return {{"joules", or_null(energy.joules)}, {"method", energy.method}, {"detail", energy.detail}};
}

Json part_json(std::size_t index, const PartTrace& part) {
  Json json = {{"index", index},
               {"text", detail::excerpt(part.plan.text, kExcerptBytes)},
               {"expert", part.answered_by.empty() ? part.plan.expert : part.answered_by},
               {"model_version", or_null(part.model_version)},
               {"why", part.plan.why},
               {"confidence", part.plan.confidence},
               {"alternatives", alternatives_json(part.plan.alternatives)},
               {"prompt_tokens", part.prompt_tokens},
               {"completion_tokens", part.completion_tokens},
               {"ttft_ms", or_null(part.time_to_first_token_ms)},
               {"tokens_per_s", or_null(part.tokens_per_s)},
               {"energy", energy_json(part.energy)},
               {"finish_reason", or_null(part.finish_reason)},
               {"fallback", or_null(part.fallback)},
               {"error", or_null(part.error)}};
  if (!part.panel.empty()) json["panel"] = part.panel;
  return json;
}

}  // namespace

Json to_json(const std::vector<PlannedPart>& plan) {
  Json json = Json::array();
  for (const PlannedPart& part : plan) {
    json.push_back({{"expert", part.expert},
                    {"why", part.why},
                    {"confidence", part.confidence},
                    {"text", detail::excerpt(part.text, kExcerptBytes)},
                    {"alternatives", alternatives_json(part.alternatives)}});
  }
  return json;
}

Json to_json(const Trace& trace) {
  Json parts = Json::array();
  for (std::size_t i = 0; i < trace.parts.size(); ++i)
    parts.push_back(part_json(i, trace.parts[i]));
  return {{"request_id", trace.request_id},
          {"endpoint", trace.endpoint},
          {"parts", std::move(parts)},
          {"totals",
           {{"tokens_per_s", or_null(trace.tokens_per_s)},
            {"joules", or_null(trace.energy.joules)},
            {"method", trace.energy.method},
            {"detail", trace.energy.detail},
            {"gco2", or_null(trace.carbon.grams)},
            {"gco2_method", trace.carbon.method},
            {"wall_ms", trace.wall_ms}}},
          {"overhead_ms", trace.overhead_ms}};
}

}  // namespace panal::orchestrator
