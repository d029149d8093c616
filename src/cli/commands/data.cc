#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/removal.h"
#include "hub/datasets.h"

namespace panal::cli {
namespace {

Result<Json> list_datasets(Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto datasets, hub::list_datasets(*hive));
  std::vector<std::vector<std::string>> rows = {
      {"DATASET", "KIND", "DOCUMENTS", "SIZE", "SHA-256", "PARTITIONINGS", "LICENCE"}};
  Json list = Json::array();
  for (const auto& [dataset, partitionings] : datasets) {
    std::vector<std::int64_t> numbers;
    for (const auto& partitioning : partitionings) numbers.push_back(partitioning.id);
    rows.push_back({dataset.label(), std::string(dataset.kind()),
                    std::to_string(dataset.num_documents), shown_bytes(dataset.num_bytes),
                    dataset.blob.substr(0, 12), fmt::format("{}", fmt::join(numbers, ", ")),
                    dataset.licence});
  }
  for (const auto& listed : datasets) list.push_back(hub::to_json(listed));
  if (datasets.empty()) {
    workspace.terminal().print("No datasets yet. Add one: panal data add NAME FILE-OR-FOLDER...");
  } else {
    workspace.terminal().table(rows);
  }
  return Json{{"datasets", list}};
}

Result<Json> show_dataset(const std::string& reference, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto shown, hub::show_dataset(*hive, reference));
  Json document = hub::to_json(shown);
  workspace.terminal().print(to_pretty(document));
  return document;
}

Result<Json> export_dataset(const hub::ExportDataset& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto dataset, hub::export_dataset(*hive, request));
  workspace.terminal().note(
      fmt::format("{} written to {}", dataset.label(), request.file.string()));
  Json document = registry::to_json(dataset);
  document["file"] = request.file.string();
  return document;
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

}  // namespace

Result<Json> add_dataset(const hub::AddDataset& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto added, hub::add_dataset(*hive, request, workspace.watch()));
  for (const auto& line : added.duplicates) workspace.terminal().print(line);
  workspace.terminal().print(fmt::format("{}: {}", added.dataset.label(), added.read.summary()));
  return hub::to_json(added);
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
    hub::AddDataset add;
    hub::PartitionDataset partition;
    std::vector<std::string> origins;
    std::string shown;
    hub::ExportDataset exported;
    hub::RemoveDataset removed;
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callbacks.
  CLI::App* command =
      app.add_subcommand("data", "Add, list, show, partition, export and remove datasets");
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
    action = [options](Workspace& workspace) { return add_dataset(options->add, workspace); };
  });
  command->add_subcommand("list", "Datasets and their partitionings")->callback([&action] {
    action = list_datasets;
  });
  CLI::App* show = command->add_subcommand("show", "One dataset with all that divides it");
  show->add_option("dataset", options->shown, "NAME or NAME@VERSION")->required();
  show->callback([options, &action] {
    action = [options](Workspace& workspace) { return show_dataset(options->shown, workspace); };
  });
  CLI::App* exported =
      command->add_subcommand("export", "Write a dataset to a file, one JSON document a line");
  exported->add_option("dataset", options->exported.dataset, "NAME or NAME@VERSION")->required();
  exported->add_option("--output", options->exported.file, "File to write")->required();
  exported->callback([options, &action] {
    action = [options](Workspace& workspace) {
      return export_dataset(options->exported, workspace);
    };
  });
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
  CLI::App* remove = command->add_subcommand(
      "remove", "Forget a version, or all of a name; models keep what they learnt from it");
  remove->add_option("dataset", options->removed.dataset, "NAME or NAME@VERSION")->required();
  add_removal_options(remove, options->removed.options, "its partitionings");
  remove->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
      PANAL_ASSIGN(const auto removal, hub::remove_dataset(*hive, options->removed));
      return shown_removal(removal, workspace.terminal());
    };
  });
}

}  // namespace panal::cli
