#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/hash.h"
#include "cli/commands/commands.h"
#include "cli/removal.h"
#include "data/dataset.h"
#include "data/deduplicate.h"
#include "data/document_reader.h"
#include "hub/datasets.h"
#include "store/file_system.h"

namespace panal::cli {
namespace {

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
      {"DATASET", "KIND", "DOCUMENTS", "SIZE", "SHA-256", "PARTITIONINGS", "LICENCE"}};
  Json list = Json::array();
  for (const auto& dataset : datasets) {
    PANAL_ASSIGN(const auto partitionings, catalogue->list_partitionings(dataset.id));
    std::vector<std::int64_t> ids;
    Json details = Json::array();
    for (const auto& partitioning : partitionings) {
      ids.push_back(partitioning.id);
      details.push_back(registry::to_json(partitioning));
    }
    rows.push_back({dataset.label(), std::string(dataset.kind()),
                    std::to_string(dataset.num_documents), shown_bytes(dataset.num_bytes),
                    dataset.blob.substr(0, 12), fmt::format("{}", fmt::join(ids, ", ")),
                    dataset.licence});
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

std::string shown_difficulty(const hub::FoundPartition& partition) {
  if (!partition.difficulty) return "unknown";
  return fmt::format("{}/{}/{}", partition.difficulty->easy, partition.difficulty->medium,
                     partition.difficulty->hard);
}

void print_partitions(const hub::PartitionedDataset& partitioned, Terminal& terminal) {
  std::vector<std::vector<std::string>> rows = {
      {"PARTITION", "TITLE", "DOCUMENTS", "SIZE", "EASY/MEDIUM/HARD", "TERMS"}};
  for (const auto& partition : partitioned.partitions) {
    rows.push_back({partition.name, partition.title, std::to_string(partition.documents),
                    shown_bytes(static_cast<std::uint64_t>(partition.bytes)),
                    shown_difficulty(partition),
                    fmt::format("{}", fmt::join(partition.terms, ", "))});
  }
  terminal.table(rows);
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

// Writes what is read to `file` as it comes, or, when duplicates are to go, all of it at the end.
Result<data::ReadReport> read_into(const std::filesystem::path& file, const AddDataOptions& options,
                                   data::RemovedDuplicates& removed, Workspace& workspace) {
  const std::vector<std::filesystem::path> paths(options.paths.begin(), options.paths.end());
  data::ReadOptions reading{.text_column = options.text_column,
                            .reads_special_tokens = options.special_tokens == "read"};
  store::FileSystem& files = store::posix_file_system();
  if (options.deduplicate != "off") {
    const std::int64_t passage_bytes = std::exchange(reading.passage_bytes, 0);
    PANAL_ASSIGN(data::ReadReport report, data::read_documents(paths, reading));
    PANAL_ASSIGN(removed, remove_duplicates(options, report.documents, passage_bytes, workspace));
    PANAL_TRY(data::write_dataset(files, file, report.documents));
    report.num_documents = static_cast<std::int64_t>(report.documents.size());
    report.num_conversations =
        std::ranges::count_if(report.documents, &data::Document::is_conversation);
    return report;
  }
  reading.max_total_bytes = 1ULL << 50;  // The disk's free space is the bound.
  PANAL_ASSIGN(data::DatasetWriter writer, data::DatasetWriter::create(files, file));
  PANAL_ASSIGN(data::ReadReport report,
               data::read_documents(paths, reading, [&](const data::Document& document) {
                 return workspace.stop().stop_requested()
                            ? Status(Code::kCancelled, "stopped while files were being read")
                            : writer.write(document);
               }));
  PANAL_TRY(writer.finish());
  return report;
}

}  // namespace

Result<Json> add_data(const AddDataOptions& options, Workspace& workspace) {
  PANAL_TRY(registry::check_name(options.name, "a dataset"));
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  const ScratchFolder scratch(catalogue->home());
  const auto file = scratch.path() / "dataset.jsonl";
  data::RemovedDuplicates removed;
  PANAL_ASSIGN(const data::ReadReport report, read_into(file, options, removed, workspace));
  PANAL_ASSIGN(const auto dataset,
               catalogue->add_dataset(
                   {.name = options.name,
                    .file = file,
                    .num_documents = static_cast<std::uint64_t>(report.num_documents),
                    .num_conversations = static_cast<std::uint64_t>(report.num_conversations),
                    .licence = options.licence,
                    .source = options.source}));
  workspace.terminal().print(fmt::format("{}: {}", dataset.label(), report.summary()));
  Json result = registry::to_json(dataset);
  result["duplicate_documents"] = removed.documents;
  result["duplicate_bytes"] = removed.bytes;
  const Json read = report.to_json();
  result["read"] = read.at("read");
  result["skipped"] = read.at("skipped");
  return result;
}

Result<Json> partition_dataset(const hub::PartitionDataset& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto partitioned, hub::partition_dataset(*hive, request, workspace.watch()));
  Terminal& terminal = workspace.terminal();
  print_partitions(partitioned, terminal);
  if (partitioned.purity)
    terminal.print(fmt::format("purity against the known origins: {:.4f}", *partitioned.purity));
  terminal.print(
      fmt::format("partitioning {} of {}", partitioned.partitioning, partitioned.dataset));
  return hub::to_json(partitioned);
}

void add_data_command(CLI::App& app, Action& action) {
  struct Options {
    AddDataOptions add;
    hub::PartitionDataset partition;
    std::vector<std::string> origins;
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callbacks.
  CLI::App* command = app.add_subcommand("data", "Add, list, partition and remove datasets");
  command->fallthrough();
  command->require_subcommand(1);
  CLI::App* add = command->add_subcommand("add", "Read files and folders into a dataset");
  add->add_option("name", options->add.name, "Name of the dataset")->required();
  add->add_option("paths", options->add.paths,
                  "Files, folders or - for standard input: plain text, JSON lines or arrays, CSV; "
                  "texts or conversations; gzip and zstd are unpacked")
      ->required();
  add->add_option("--text-column", options->add.text_column,
                  "Column or member with the text, where it has a name of its own");
  add->add_option("--special", options->add.special_tokens,
                  "Of plain texts in a chat form: read, their marks (<|im_start|>) are a model's "
                  "special tokens; none, they are characters")
      ->check(CLI::IsMember({"read", "none"}))
      ->capture_default_str();
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
      return partition_dataset(options->partition, workspace);
    };
  });
  auto removed = std::make_shared<hub::RemoveDataset>();  // Shared by the flags and the callback.
  CLI::App* remove = command->add_subcommand(
      "remove", "Forget a version, or all of a name; models keep what they learnt from it");
  remove->add_option("dataset", removed->dataset, "NAME or NAME@VERSION")->required();
  add_removal_options(remove, removed->options, "its partitionings");
  remove->callback([removed, &action] {
    action = [removed](Workspace& workspace) -> Result<Json> {
      PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
      PANAL_ASSIGN(const auto removal, hub::remove_dataset(*hive, *removed));
      return shown_removal(removal, workspace.terminal());
    };
  });
}

}  // namespace panal::cli
