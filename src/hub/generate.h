// One request to a model that is loaded for it alone.
#pragma once

#include <string>

#include "base/result.h"
#include "hub/hive.h"
#include "work/generation.h"

namespace panal::hub {

struct GenerateText {
  std::string model{};  // NAME, NAME@VERSION or a path; an expert brings its core.
  work::Generation generation{};
};

struct GeneratedText {
  std::string model{};  // "smollm2@1" or the path.
  work::GenerationResult result{};
};

/// Errors: those of find_model_source and of the job.
Result<GeneratedText> generate(Hive& hive, const GenerateText& request, const Watch& watch);

}  // namespace panal::hub
