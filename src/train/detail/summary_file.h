// Reading a summary that an earlier call wrote.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "work/training.h"

namespace panal::train::detail {

/// Errors: kNotFound; kInvalidArgument when it is no summary.
Result<work::TrainingSummary> read_summary(const std::filesystem::path& path);

}  // namespace panal::train::detail
