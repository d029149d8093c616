// A benchmark's document as a run.
#pragma once

#include <filesystem>

#include "base/json.h"
#include "base/result.h"
#include "report/run_record.h"

namespace panal::report::detail {

/// What `panal bench train --json` printed, or the PyTorch script with the same keys. Errors:
/// kCorrupt when it is neither.
Result<RunRecord> benchmark_record(const Json& json, const std::filesystem::path& path);

}  // namespace panal::report::detail
