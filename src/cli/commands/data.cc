#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <memory>

#include "base/hash.h"
#include "cli/commands/commands.h"
#include "data/dataset.h"
#include "data/deduplicate.h"
#include "data/document.h"
#include "hub/model_source.h"
#include "store/file_system.h"
#include "topics/partitioner.h"

namespace panal::cli {
namespace {

constexpr double kValidationFraction = 0.1;

// A folder for files on their way into the catalogue; gone with the object.
class ScratchFolder {
 public:
  explicit ScratchFolder(const store::Home& home) : path_(home.run / ("scratch-" + random_hex(8))) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_;
};

Result<Json> list_data(Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto datasets, catalogue->list_datasets());
  std::vector<std::vector<std::string>> rows = {
      {"DATASET", "DOCUMENTS", "SIZE", "SHA-256", "PARTITIONINGS", "LICENCE"}};
  Json list = Json::array();
  for (const auto& dataset : datasets) {
    PANAL_ASSIGN(const auto partitionings, catalogue->list_partitionings(dataset.id));
    std::vector<std::int64_t> ids;
    Json details = Json::array();
    for (const auto& partitioning : partitionings) {
      ids.push_back(partitioning.id);
      details.push_back(registry::to_json(partitioning));
    }
    rows.push_back({dataset.label(), std::to_string(dataset.num_documents),
                    shown_bytes(dataset.num_bytes), dataset.blob.substr(0, 12),
                    fmt::format("{}", fmt::join(ids, ", ")), dataset.licence});
    Json entry = registry::to_json(dataset);
    entry["partitionings"] = details;
    list.push_back(entry);
  }
  if (datasets.empty()) {
    workspace.terminal().print("No datasets yet. Add one: panal data add NAME FILE-OR-FOLDER...");
  } else {
    workspace.terminal().table(rows);
  }
  return Json{{"datasets", list}};
}

// The core's loss on each document, NaN where it is unknown.
Result<std::vector<double>> losses_of_core(const PartitionOptions& options,
                                           const std::filesystem::path& dataset,
                                           Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const hub::ModelSource source, hub::find_model_source(*hive, options.core));
  PANAL_ASSIGN(const Json result,
               workspace.run_job("losses",
                                 Json{{"model", source.core.string()},
                                      {"dataset", dataset.string()},
                                      {"max_tokens_per_document", options.difficulty_tokens}},
                                 "measuring difficulty: the core's loss on every document"));
  std::vector<double> losses;
  for (const Json& loss : result.at("losses"))
    losses.push_back(loss.is_number() ? loss.get<double>() : std::nan(""));
  return losses;
}

// The label of the known origin whose path prefix fits.
std::vector<std::string> origins_of(const std::vector<data::Document>& documents,
                                    const PartitionOptions& options) {
  std::vector<std::string> origins;
  for (const auto& document : documents) {
    std::string found = "other";
    for (const auto& [label, prefix] : options.origins) {
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

Json shown_partitions(const topics::Partitioning& partitioning, Terminal& terminal) {
  std::vector<std::vector<std::string>> rows = {
      {"PARTITION", "TITLE", "DOCUMENTS", "SIZE", "EASY/MEDIUM/HARD", "TERMS"}};
  Json list = Json::array();
  for (std::size_t i = 0; i < partitioning.partitions.size(); ++i) {
    const topics::Partition& partition = partitioning.partitions[i];
    std::map<topics::Difficulty, int> counts;
    for (const std::size_t index : partitioning.members(i))
      ++counts[partitioning.difficulty[index]];
    const bool is_known = counts[topics::Difficulty::kUnknown] < partition.num_documents;
    const std::string difficulty =
        is_known
            ? fmt::format("{}/{}/{}", counts[topics::Difficulty::kEasy],
                          counts[topics::Difficulty::kMedium], counts[topics::Difficulty::kHard])
            : "unknown";
    rows.push_back({partition.name, partition.title, std::to_string(partition.num_documents),
                    shown_bytes(static_cast<std::uint64_t>(partition.text_bytes)), difficulty,
                    fmt::format("{}", fmt::join(partition.terms, ", "))});
    list.push_back({{"number", i},
                    {"name", partition.name},
                    {"title", partition.title},
                    {"language", partition.language},
                    {"domain", partition.domain},
                    {"documents", partition.num_documents},
                    {"bytes", partition.text_bytes},
                    {"difficulty", is_known ? Json{{"easy", counts[topics::Difficulty::kEasy]},
                                                   {"medium", counts[topics::Difficulty::kMedium]},
                                                   {"hard", counts[topics::Difficulty::kHard]}}
                                            : Json(nullptr)},
                    {"terms", partition.terms}});
  }
  terminal.table(rows);
  return list;
}

// Whole texts first, because cutting hides what a text repeats of another; then their passages.
Result<data::RemovedDuplicates> remove_duplicates(const AddDataOptions& options,
                                                  std::vector<data::Document>& documents,
                                                  std::int64_t passage_bytes,
                                                  Workspace& workspace) {
  const data::DeduplicateOptions how{.mode = options.deduplicate == "near"
                                                 ? data::Deduplication::kNear
                                                 : data::Deduplication::kExact,
                                     .threshold = options.near_threshold,
                                     .stop = workspace.stop()};
  std::vector<data::Document>* const group[] = {&documents};
  PANAL_ASSIGN(const data::RemovedDuplicates whole, data::remove_duplicates(group, how));
  workspace.terminal().print("of whole texts: " + whole.summary);
  data::cut_documents(documents, passage_bytes);
  PANAL_ASSIGN(data::RemovedDuplicates removed, data::remove_duplicates(group, how));
  workspace.terminal().print("of passages: " + removed.summary);
  removed.documents += whole.documents;
  removed.bytes += whole.bytes;
  return removed;
}

}  // namespace

Result<Json> add_data(const AddDataOptions& options, Workspace& workspace) {
  PANAL_TRY(registry::check_name(options.name, "a dataset"));
  std::vector<std::filesystem::path> paths(options.paths.begin(), options.paths.end());
  const bool deduplicates = options.deduplicate != "off";
  data::ReadOptions reading;
  const std::int64_t passage_bytes = reading.passage_bytes;
  if (deduplicates) reading.passage_bytes = 0;
  PANAL_ASSIGN(data::ReadReport report, data::read_documents(paths, reading));
  data::RemovedDuplicates removed;
  if (deduplicates) {
    PANAL_ASSIGN(removed, remove_duplicates(options, report.documents, passage_bytes, workspace));
  }
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  const ScratchFolder scratch(catalogue->home());
  const auto file = scratch.path() / "dataset.jsonl";
  PANAL_TRY(data::write_dataset(store::posix_file_system(), file, report.documents));
  PANAL_ASSIGN(const auto dataset, catalogue->add_dataset({.name = options.name,
                                                           .file = file,
                                                           .num_documents = report.documents.size(),
                                                           .licence = options.licence,
                                                           .source = options.source}));
  workspace.terminal().print(fmt::format("{}: {}", dataset.label(), report.summary()));
  Json result = registry::to_json(dataset);
  result["duplicate_documents"] = removed.documents;
  result["duplicate_bytes"] = removed.bytes;
  result["skipped"] = Json::array();
  for (const auto& skipped : report.skipped)
    result["skipped"].push_back({{"path", skipped.path}, {"reason", skipped.reason}});
  return result;
}

Result<Json> partition_data(const PartitionOptions& options, Workspace& workspace) {
  Terminal& terminal = workspace.terminal();
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto dataset, catalogue->find_dataset(options.dataset));
  PANAL_ASSIGN(const auto path, catalogue->blobs().path_of(dataset.blob));
  PANAL_ASSIGN(const auto documents, data::read_dataset(path));
  topics::PartitionOptions how;
  how.seed = options.seed;
  how.max_partitions = options.max_partitions;
  how.progress = [&](double fraction) {
    terminal.progress(fraction, "partitioning by language and topic");
  };
  how.stop = workspace.stop();
  PANAL_ASSIGN(topics::Partitioning partitioning, topics::partition(documents, how));
  if (!options.core.empty()) {
    PANAL_ASSIGN(const auto losses, losses_of_core(options, path, workspace));
    PANAL_TRY(topics::assign_difficulty(partitioning, losses));
  }
  const Json list = shown_partitions(partitioning, terminal);
  Json result = {
      {"dataset", dataset.label()}, {"documents", documents.size()}, {"partitions", list}};
  if (!options.origins.empty()) {
    PANAL_ASSIGN(const double purity, topics::purity(partitioning, origins_of(documents, options)));
    terminal.print(fmt::format("purity against the known origins: {:.4f}", purity));
    result["purity"] = purity;
  }
  const ScratchFolder scratch(catalogue->home());
  registry::NewPartitioning made{.dataset_id = dataset.id,
                                 .partitioning_json = to_line(topics::to_json(partitioning)),
                                 .topic_model_json = to_line(partitioning.topic_model.to_json()),
                                 .partitions = {}};
  for (std::size_t i = 0; i < partitioning.partitions.size(); ++i) {
    PANAL_ASSIGN(auto partition, write_partition(partitioning, i, documents, scratch.path()));
    made.partitions.push_back(std::move(partition));
  }
  PANAL_ASSIGN(const auto stored, catalogue->add_partitioning(made));
  terminal.print(fmt::format("partitioning {} of {}", stored.id, dataset.label()));
  result["partitioning"] = stored.id;
  return result;
}

void add_data_command(CLI::App& app, Action& action) {
  struct Options {
    AddDataOptions add;
    PartitionOptions partition;
    std::vector<std::string> origins;
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callbacks.
  CLI::App* command = app.add_subcommand("data", "Add, list and partition datasets");
  command->fallthrough();
  command->require_subcommand(1);
  CLI::App* add = command->add_subcommand("add", "Read files and folders into a dataset");
  add->add_option("name", options->add.name, "Name of the dataset")->required();
  add->add_option("paths", options->add.paths,
                  "Text files, folders, or JSONL with a \"text\" per line")
      ->required();
  add->add_option("--licence", options->add.licence, "SPDX name of its licence");
  add->add_option("--deduplicate", options->add.deduplicate,
                  "Leave out texts and passages that repeat an earlier one: off, exact (up to case "
                  "and space) or near (similar)")
      ->check(CLI::IsMember({"off", "exact", "near"}))
      ->capture_default_str();
  add->add_option("--near-threshold", options->add.near_threshold,
                  "Jaccard similarity of five-word shingles from which near removes")
      ->check(CLI::Range(0.5, 1.0))
      ->capture_default_str();
  add->add_option("--source", options->add.source, "A note on where it came from");
  add->callback([options, &action] {
    action = [options](Workspace& workspace) { return add_data(options->add, workspace); };
  });
  CLI::App* list = command->add_subcommand("list", "Datasets and their partitionings");
  list->callback([&action] { action = [](Workspace& workspace) { return list_data(workspace); }; });
  CLI::App* partition =
      command->add_subcommand("partition", "Divide a dataset by language, topic and difficulty");
  partition->add_option("dataset", options->partition.dataset, "NAME or NAME@VERSION")->required();
  partition->add_option("--core", options->partition.core, "Model whose loss tells the difficulty");
  partition->add_option("--max-partitions", options->partition.max_partitions, "At most so many")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  partition->add_option("--seed", options->partition.seed, "Of the clustering")
      ->capture_default_str();
  partition->add_option("--origin", options->origins,
                        "LABEL=PATH-PREFIX of documents whose origin is known; measures purity");
  partition->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      for (const std::string& origin : options->origins) {
        const auto equals = origin.find('=');
        if (equals == std::string::npos) {
          return Status(Code::kInvalidArgument,
                        fmt::format("--origin must be LABEL=PATH-PREFIX, found \"{}\"", origin));
        }
        options->partition.origins.emplace_back(origin.substr(0, equals),
                                                origin.substr(equals + 1));
      }
      return partition_data(options->partition, workspace);
    };
  });
}

}  // namespace panal::cli
