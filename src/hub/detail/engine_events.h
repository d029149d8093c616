// The lines of a job, read as events of the hub: the one place that knows how the engine spells
// them.
#pragma once

#include <optional>
#include <variant>

#include "base/json.h"
#include "hub/event.h"

namespace panal::hub::detail {

/// Nothing for a line that tells people nothing. A figure that is missing or no number stays empty.
std::optional<decltype(Event::what)> event_of_line(const Json& line);

}  // namespace panal::hub::detail
