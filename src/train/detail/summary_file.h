// Reading a summary that an earlier call wrote.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "train/run.h"

namespace panal::train::detail {

/// Errors: kNotFound; kInvalidArgument or kCorrupt when it is no summary.
Result<TrainSummary> read_summary(const std::filesystem::path& path);

}  // namespace panal::train::detail
