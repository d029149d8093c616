// A registered model becomes a folder that other programs load.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"

namespace panal::hub {

struct ExportModel {
  std::string model{};             // NAME, NAME@VERSION or a path.
  std::filesystem::path folder{};  // New or empty.
};

struct ExportedModel {
  std::string model{};                       // "smollm2@1" or the path.
  std::filesystem::path folder{};            // Absolute.
  std::optional<std::string> adapter_of{};   // The core's label, when it is a PEFT adapter.
  std::optional<std::int64_t> parameters{};  // Of a whole model.
};
Json to_json(const ExportedModel& exported);

/// Writes a whole model in Hugging Face layout, an expert as a PEFT folder. The folder gets its
/// name when it is whole; a failure leaves nothing of it. Errors: kConflict when the folder holds
/// something; those of find_model_source and of the job.
Result<ExportedModel> export_model(Hive& hive, const ExportModel& request, const Watch& watch);

}  // namespace panal::hub
