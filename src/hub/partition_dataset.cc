#include "hub/partition_dataset.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "data/dataset.h"
#include "hub/detail/scratch_folder.h"
#include "hub/model_source.h"
#include "store/file_system.h"
#include "topics/partitioner.h"
#include "work/evaluation_jobs.h"

namespace panal::hub {
namespace {

constexpr double kValidationFraction = 0.1;

// The core's loss on each document, NaN where it is unknown.
Result<std::vector<double>> losses_of_core(Hive& hive, const PartitionDataset& request,
                                           const std::filesystem::path& dataset,
                                           const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.core));
  PANAL_ASSIGN(
      const auto found,
      hive.run_job(work::DocumentLossesJob{.model = source.core,
                                           .dataset = dataset,
                                           .max_tokens_per_document = request.difficulty_tokens},
                   {.activity = "measuring difficulty: the core's loss on every document"}, watch));
  std::vector<double> losses;
  for (const auto& loss : found.losses) losses.push_back(loss.value_or(topics::kUnknownLoss));
  return losses;
}

// The label of the known origin whose path prefix fits.
std::vector<std::string> origins_of(const std::vector<data::Document>& documents,
                                    const PartitionDataset& request) {
  std::vector<std::string> origins;
  for (const auto& document : documents) {
    std::string found = "other";
    for (const auto& [label, prefix] : request.origins) {
      if (document.source.starts_with(prefix)) found = label;
    }
    origins.push_back(std::move(found));
  }
  return origins;
}

Result<registry::NewPartition> write_partition(const topics::Partitioning& partitioning,
                                               std::size_t number,
                                               const std::vector<data::Document>& documents,
                                               const std::filesystem::path& folder) {
  const topics::Partition& partition = partitioning.partitions[number];
  std::vector<data::Document> members;
  for (const std::size_t index : partitioning.members(number)) members.push_back(documents[index]);
  PANAL_ASSIGN(const data::Split split,
               data::split_documents(members, {.validation_fraction = kValidationFraction}));
  registry::NewPartition made;
  made.number = static_cast<std::int64_t>(number);
  made.label = partition.name;
  made.num_documents = members.size();
  made.details = Json{{"title", partition.title},
                      {"language", partition.language},
                      {"domain", partition.domain},
                      {"terms", partition.terms}};
  const auto write = [&](const char* role, const std::vector<std::size_t>& indices) -> Status {
    if (indices.empty()) return Status();
    std::vector<data::Document> chosen;
    for (const std::size_t index : indices) chosen.push_back(members[index]);
    const auto path = folder / fmt::format("{}-{}.jsonl", number, role);
    PANAL_TRY(data::write_dataset(store::posix_file_system(), path, chosen));
    made.files[role] = path;
    return Status();
  };
  PANAL_TRY(write("train", split.training));
  PANAL_TRY(write("validation", split.validation));
  return made;
}

FoundPartition found_partition(const topics::Partitioning& partitioning, std::size_t number) {
  const topics::Partition& partition = partitioning.partitions[number];
  std::map<topics::Difficulty, std::int64_t> counts;
  for (const std::size_t index : partitioning.members(number))
    ++counts[partitioning.difficulty[index]];
  FoundPartition found{.number = static_cast<std::int64_t>(number),
                       .name = partition.name,
                       .title = partition.title,
                       .language = partition.language,
                       .domain = partition.domain,
                       .documents = partition.num_documents,
                       .bytes = partition.text_bytes,
                       .terms = partition.terms};
  if (counts[topics::Difficulty::kUnknown] < partition.num_documents) {
    found.difficulty = FoundPartition::Difficulty{.easy = counts[topics::Difficulty::kEasy],
                                                  .medium = counts[topics::Difficulty::kMedium],
                                                  .hard = counts[topics::Difficulty::kHard]};
  }
  return found;
}

Result<topics::Partitioning> divide(Hive& hive, const PartitionDataset& request,
                                    const std::filesystem::path& dataset,
                                    const std::vector<data::Document>& documents,
                                    const Watch& watch) {
  topics::PartitionOptions how;
  how.seed = request.seed;
  how.max_partitions = request.max_partitions;
  how.progress = [&](double fraction) {
    watch.tell("partitioning by language and topic", work::JobAdvance{fraction});
  };
  how.stop = watch.stop;
  PANAL_ASSIGN(topics::Partitioning partitioning, topics::partition(documents, how));
  if (request.core.empty()) return partitioning;
  PANAL_ASSIGN(const auto losses, losses_of_core(hive, request, dataset, watch));
  PANAL_TRY(topics::assign_difficulty(partitioning, losses));
  return partitioning;
}

Result<std::int64_t> register_partitioning(Hive& hive, std::int64_t dataset_id,
                                           const topics::Partitioning& partitioning,
                                           const std::vector<data::Document>& documents) {
  const detail::ScratchFolder scratch(hive.home());
  registry::NewPartitioning made{.dataset_id = dataset_id,
                                 .partitioning_json = to_line(topics::to_json(partitioning)),
                                 .topic_model_json = to_line(partitioning.topic_model.to_json())};
  for (std::size_t i = 0; i < partitioning.partitions.size(); ++i) {
    PANAL_ASSIGN(auto partition, write_partition(partitioning, i, documents, scratch.path()));
    made.partitions.push_back(std::move(partition));
  }
  PANAL_ASSIGN(const auto stored, hive.catalogue().add_partitioning(made));
  return stored.id;
}

}  // namespace

Json to_json(const PartitionedDataset& partitioned) {
  Json list = Json::array();
  for (const auto& partition : partitioned.partitions) {
    const auto& difficulty = partition.difficulty;
    list.push_back({{"number", partition.number},
                    {"name", partition.name},
                    {"title", partition.title},
                    {"language", partition.language},
                    {"domain", partition.domain},
                    {"documents", partition.documents},
                    {"bytes", partition.bytes},
                    {"difficulty", difficulty ? Json{{"easy", difficulty->easy},
                                                     {"medium", difficulty->medium},
                                                     {"hard", difficulty->hard}}
                                              : Json(nullptr)},
                    {"terms", partition.terms}});
  }
  Json json = {{"dataset", partitioned.dataset},
               {"documents", partitioned.documents},
               {"partitions", std::move(list)}};
  if (partitioned.purity) json["purity"] = *partitioned.purity;
  json["partitioning"] = partitioned.partitioning;
  return json;
}

Result<PartitionedDataset> partition_dataset(Hive& hive, const PartitionDataset& request,
                                             const Watch& watch) {
  registry::Catalogue& catalogue = hive.catalogue();
  PANAL_ASSIGN(const auto dataset, catalogue.find_dataset(request.dataset));
  PANAL_ASSIGN(const auto path, catalogue.blobs().path_of(dataset.blob));
  PANAL_ASSIGN(const auto documents, data::read_dataset(path));
  PANAL_ASSIGN(const auto partitioning, divide(hive, request, path, documents, watch));
  PartitionedDataset partitioned{.dataset = dataset.label(),
                                 .documents = static_cast<std::int64_t>(documents.size())};
  for (std::size_t i = 0; i < partitioning.partitions.size(); ++i)
    partitioned.partitions.push_back(found_partition(partitioning, i));
  if (!request.origins.empty()) {
    PANAL_ASSIGN(partitioned.purity, topics::purity(partitioning, origins_of(documents, request)));
  }
  PANAL_ASSIGN(partitioned.partitioning,
               register_partitioning(hive, dataset.id, partitioning, documents));
  return partitioned;
}

}  // namespace panal::hub
