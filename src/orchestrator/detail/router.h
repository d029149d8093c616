// Which expert for which part: the caller's word first, then the topic model when it is sure
// enough, else the core.
#pragma once

#include <string_view>

#include "orchestrator/detail/splitter.h"
#include "orchestrator/orchestrator.h"

namespace panal::orchestrator::detail {

inline constexpr std::string_view kCore = "core";

/// The registry's version of an expert or of the core.
std::string version_of(const Endpoint& endpoint, std::string_view expert);
/// kNotFound lists the endpoint's experts. "core" and the core model's own name are always known.
Result<std::string> find_expert(const Endpoint& endpoint, std::string_view name);

/// `earlier`: the question before this one, asked when a short follow-up says too little by itself;
/// may be empty.
PlannedPart route(const RequestPart& part, std::string_view earlier, const Endpoint& endpoint,
                  double threshold);
/// For a panel: the core and the (at most) two likeliest experts, likeliest first, scores filled
/// in.
std::vector<work::RouteScore> panel_candidates(std::string_view text, const Endpoint& endpoint);

}  // namespace panal::orchestrator::detail
