// How files become a trusted version of a base model: checked as a whole first, registered then.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"

namespace panal::hub {

/// Checks the model at `path` wholly in a child process and registers `model` (name, files,
/// lineage); a new version becomes ready and preferred, for the reason `why_preferred`. A version
/// with the same files is given back as it is. A crash in between leaves a candidate, which the
/// next call takes on.
Result<registry::ModelVersion> register_base_model(Hive& hive, registry::NewModel model,
                                                   const std::string& path,
                                                   std::string_view why_preferred,
                                                   const Watch& watch);

/// The second half of it, for a model whose check has passed and whose architecture is known, with
/// the number of its parameters: a new version becomes ready and preferred for the given reasons.
Result<registry::ModelVersion> register_checked(Hive& hive, registry::NewModel model,
                                                std::int64_t parameters, std::string_view why_ready,
                                                std::string_view why_preferred);

}  // namespace panal::hub
