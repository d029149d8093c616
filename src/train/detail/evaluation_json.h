// evaluation_to_json() of train/run.h backwards.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "train/run.h"

namespace panal::train::detail {

/// Untrusted: every field is checked. Errors: kCorrupt or kInvalidArgument naming `where` and the
/// field.
Result<EvaluationPoint> evaluation_from_json(const Json& json, std::string_view where);

}  // namespace panal::train::detail
