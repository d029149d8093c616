#include "hub/datasets.h"

namespace panal::hub {

Result<registry::Removal> remove_dataset(Hive& hive, const RemoveDataset& request) {
  return hive.catalogue().remove_dataset(request.dataset, request.options);
}

}  // namespace panal::hub
