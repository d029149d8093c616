// A prompt that does not fit into the model's context: said in words that clients look for, and
// with both counts for those that read figures.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace panal::work {

struct ContextExceeded {
  std::int64_t context_tokens = 0;  // What the model has.
  std::int64_t prompt_tokens = 0;   // What the request needs before its first answer token.
};

/// kInvalidArgument.
Status context_error(const ContextExceeded& exceeded);
/// The counts of such an error, also where context was put before its message.
std::optional<ContextExceeded> context_exceeded_in(std::string_view message);

}  // namespace panal::work
