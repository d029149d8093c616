// What the parts of one call of run() share and none of them owns.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string_view>

#include "train/detail/disk_patience.h"
#include "train/detail/ranks.h"
#include "train/run.h"

namespace panal::train::detail {

/// Everything behind a reference outlives the parts.
struct RunContext {
  const recipe::RunConfig& config;
  RunEvents& events;
  std::stop_token stop;
  RunEnvironment& environment;
  const Ranks& ranks;

  std::filesystem::path at(std::string_view name) const { return config.run_directory / name; }
};

}  // namespace panal::train::detail
