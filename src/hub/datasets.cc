#include "hub/datasets.h"

#include <cstdint>

#include "store/output.h"

namespace panal::hub {

namespace {

constexpr std::uint64_t kMaxDatasetBytes = std::uint64_t{1} << 40;

Result<ListedDataset> with_partitionings(Hive& hive, registry::Dataset dataset) {
  ListedDataset listed{.dataset = std::move(dataset)};
  PANAL_ASSIGN(listed.partitionings, hive.catalogue().list_partitionings(listed.dataset.id));
  return listed;
}

}  // namespace

Json to_json(const ListedDataset& listed) {
  Json json = registry::to_json(listed.dataset);
  json["partitionings"] = Json::array();
  for (const auto& partitioning : listed.partitionings)
    json["partitionings"].push_back(registry::to_json(partitioning));
  return json;
}

Result<std::vector<ListedDataset>> list_datasets(Hive& hive) {
  PANAL_ASSIGN(auto datasets, hive.catalogue().list_datasets());
  std::vector<ListedDataset> listed;
  for (auto& dataset : datasets) {
    PANAL_ASSIGN(auto one, with_partitionings(hive, std::move(dataset)));
    listed.push_back(std::move(one));
  }
  return listed;
}

Result<ListedDataset> show_dataset(Hive& hive, const std::string& reference) {
  PANAL_ASSIGN(auto dataset, hive.catalogue().find_dataset(reference));
  return with_partitionings(hive, std::move(dataset));
}

Result<registry::Dataset> export_dataset(Hive& hive, const ExportDataset& request) {
  PANAL_ASSIGN(auto dataset, hive.catalogue().find_dataset(request.dataset));
  PANAL_ASSIGN(const std::string lines,
               hive.catalogue().blobs().read(dataset.blob, kMaxDatasetBytes));
  PANAL_TRY(store::write_output(store::posix_file_system(), request.file, lines));
  return dataset;
}

Result<registry::Removal> remove_dataset(Hive& hive, const RemoveDataset& request) {
  return hive.catalogue().remove_dataset(request.dataset, request.options);
}

}  // namespace panal::hub
