// The datasets of a hive.
#pragma once

#include <string>

#include "base/result.h"
#include "hub/hive.h"
#include "registry/removal.h"

namespace panal::hub {

struct RemoveDataset {
  std::string dataset{};  // NAME: all its versions. NAME@VERSION: that one.
  registry::RemovalOptions options{};
};
/// Errors: those of Catalogue::remove_dataset.
Result<registry::Removal> remove_dataset(Hive& hive, const RemoveDataset& request);

}  // namespace panal::hub
