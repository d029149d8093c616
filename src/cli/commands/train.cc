#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/config.h"
#include "base/hash.h"
#include "cli/commands/commands.h"
#include "store/file_system.h"

namespace panal::cli {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1u << 20;

// Equal configs share a folder: running the same command again resumes what was stopped.
std::filesystem::path run_folder(const store::Home& home, const std::string& kind,
                                 const std::string& config) {
  return home.jobs / fmt::format("{}-{}", kind, sha256_hex(config).substr(0, 12));
}

Result<std::map<std::string, std::filesystem::path>> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files[entry.path().filename().string()] = entry.path();
  }
  if (error || files.empty())
    return Status(Code::kInternal, fmt::format("the run left no model in {}", folder.string()));
  return files;
}

std::string shown_energy(const Json& summary) {
  if (!json_has(summary, "energy")) return "energy unknown";
  const Json& energy = summary.at("energy");
  if (!json_has(energy, "joules")) return "energy unknown";
  return fmt::format("{:.0f} J ({})", energy.at("joules").get<double>(),
                     energy.value("method", "unknown"));
}

// With several processes of all of them, each at its own peak.
std::string shown_memory(const Json& summary) {
  const auto gibibytes = [&](const char* key) {
    return static_cast<double>(summary.value(key, std::int64_t{0})) / (1 << 30);
  };
  if (!json_has(summary, "peak_resident_bytes")) return "memory unknown";
  std::string text = fmt::format("{:.2f} GiB at most", gibibytes("peak_resident_bytes"));
  if (json_has(summary, "largest_process_bytes")) {
    text += fmt::format(" ({:.2f} in the largest process)", gibibytes("largest_process_bytes"));
  }
  if (json_has(summary, "peak_device_bytes")) {
    text += fmt::format(", {:.2f} GiB of tensors on the GPU", gibibytes("peak_device_bytes"));
  }
  return text;
}

void print_summary(const Json& summary, Terminal& terminal) {
  terminal.print(fmt::format("{} after {} steps, {} tokens, {:.0f} tokens/s, {}, {}",
                             summary.value("status", ""), summary.value("steps", 0),
                             shown_count(summary.value("tokens", 0.0)),
                             summary.value("tokens_per_s", summary.value("tokens_per_second", 0.0)),
                             shown_memory(summary), shown_energy(summary)));
}

registry::Lineage lineage_of(const Json& summary, const std::string& config,
                             const std::filesystem::path& folder) {
  registry::Lineage lineage;
  lineage.dataset_sha256 = summary.value("dataset_sha256", "");
  lineage.code_version = code_version();
  lineage.config_sha256 = sha256_hex(config);
  lineage.run_id = folder.filename().string();
  lineage.details["run"] = summary;
  return lineage;
}

// How many processes a run file asks for. What is wrong in it the engine tells, all of it at once.
int processes_of(const std::string& config) {
  auto top = ConfigReader::parse(config, "run");
  if (!top.ok()) return 1;
  constexpr std::int64_t kMost = 64;
  const auto processes = top->section("parallel").integer("processes", 1, 1, kMost);
  return static_cast<int>(std::clamp<std::int64_t>(processes, 1, kMost));
}

// Runs a config in its folder; Conflict-free resumes come with the folder's name.
Result<Json> run_training(const std::string& config, const std::string& config_name,
                          const std::string& base_directory, const std::filesystem::path& folder,
                          const std::string& title, Workspace& workspace,
                          std::optional<int> processes = std::nullopt) {
  Json spec = {{"config", config},
               {"config_name", config_name},
               {"base_directory", base_directory},
               {"run_directory", (folder / "run").string()}};
  const int count = processes.value_or(processes_of(config));
  if (processes) spec["processes"] = count;
  auto outcome = workspace.run_job("train", spec, title, folder, count);
  // A run file that is refused leaves nothing behind.
  if (outcome.status().code() == Code::kInvalidArgument &&
      !std::filesystem::exists(folder / "run")) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  PANAL_ASSIGN(Json summary, std::move(outcome));
  if (summary.value("status", "") == "stopped") {
    return Status(
        Code::kCancelled,
        fmt::format(
            "stopped at step {}; a checkpoint is in {}: run the same command again to go on",
            summary.value("steps", 0), folder.string()));
  }
  return summary;
}

// Finds the text to learn from: PARTITIONING:LABEL, a dataset's name, or a file.
struct TrainingText {
  std::string path;
  std::string validation_path;
  std::string partition;
  std::int64_t partitioning = 0;
  std::string dataset_sha256;
};

Result<TrainingText> find_training_text(const std::string& reference, Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  TrainingText text;
  const auto colon = reference.find(':');
  if (colon != std::string::npos && colon > 0 &&
      reference.find_first_not_of("0123456789") == colon) {
    text.partitioning = std::atoll(reference.c_str());
    text.partition = reference.substr(colon + 1);
    PANAL_ASSIGN(const auto partitioning, catalogue->find_partitioning(text.partitioning));
    for (const auto& partition : partitioning.partitions) {
      if (partition.label != text.partition) continue;
      for (const auto& file : partition.files) {
        PANAL_ASSIGN(const auto path, catalogue->blobs().path_of(file.blob));
        (file.role == "train" ? text.path : text.validation_path) = path.string();
        if (file.role == "train") text.dataset_sha256 = file.blob;
      }
      return text;
    }
    return Status(Code::kNotFound, fmt::format("partitioning {} has no partition \"{}\"",
                                               text.partitioning, text.partition));
  }
  std::error_code error;
  if (std::filesystem::exists(reference, error)) {
    text.path = std::filesystem::absolute(reference).string();
    return text;
  }
  PANAL_ASSIGN(const auto dataset, catalogue->find_dataset(reference));
  PANAL_ASSIGN(const auto path, catalogue->blobs().path_of(dataset.blob));
  text.path = path.string();
  text.dataset_sha256 = dataset.blob;
  return text;
}

// The run file a fine-tune amounts to.
Json finetune_config(const FinetuneOptions& options, const ModelSource& core,
                     const TrainingText& text) {
  Json config = {{"kind", "lora"},
                 {"name", options.name},
                 {"seed", options.seed},
                 {"precision", options.precision},
                 {"model", {{"core", core.core.string()}}},
                 {"lora",
                  {{"rank", options.rank},
                   {"alpha", options.alpha},
                   {"targets", options.targets},
                   {"base_model_name", core.label}}},
                 {"data", {{"paths", Json::array({text.path})}}},
                 {"optimizer", {{"rule", "adamw"}, {"learning_rate", options.learning_rate}}},
                 {"batch", {{"sequences", options.batch}, {"context", options.context}}},
                 {"evaluation", {{"max_tokens", 2048}}},
                 {"limits", Json::object()}};
  if (options.targets.empty()) config["lora"].erase("targets");
  if (!text.validation_path.empty()) config["data"]["validation_path"] = text.validation_path;
  if (options.steps) config["limits"]["steps"] = *options.steps;
  if (options.max_seconds) config["limits"]["max_seconds"] = *options.max_seconds;
  return config;
}

}  // namespace

Result<Json> train_model(const TrainOptions& options, Workspace& workspace) {
  if (!options.model_name.empty())
    PANAL_TRY(registry::check_model_name(options.model_name, registry::ModelKind::kBase));
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  const auto folder =
      run_folder(catalogue->home(), "train", options.base_directory + "\n" + options.config);
  workspace.terminal().note(fmt::format("run folder {}", folder.string()));
  PANAL_ASSIGN(Json summary,
               run_training(options.config, options.config_file, options.base_directory, folder,
                            "training", workspace, options.processes));
  print_summary(summary, workspace.terminal());
  summary["run_folder"] = folder.string();
  if (options.model_name.empty()) return summary;

  const std::filesystem::path model_folder = summary.value("model_folder", "");
  registry::NewModel model;
  model.name = options.model_name;
  PANAL_ASSIGN(model.files, files_of(model_folder));
  model.lineage = lineage_of(summary, options.config, folder);
  PANAL_ASSIGN(const auto added, register_base_model(std::move(model), model_folder.string(),
                                                     "trained last", workspace));
  workspace.terminal().print(fmt::format("registered as {}", added.label()));
  summary["model"] = registry::to_json(added);
  return summary;
}

Result<Json> finetune_model(const FinetuneOptions& options, Workspace& workspace) {
  PANAL_TRY(registry::check_model_name(options.name, registry::ModelKind::kAdapter));
  PANAL_ASSIGN(const ModelSource core, find_model_source(workspace, options.core));
  if (!core.version || core.adapter) {
    return Status(Code::kInvalidArgument,
                  fmt::format("--core must be a registered base model, found \"{}\"; import it "
                              "first: panal models import",
                              options.core));
  }
  PANAL_ASSIGN(const TrainingText text, find_training_text(options.dataset, workspace));
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  const std::string config = to_pretty(finetune_config(options, core, text));
  const auto folder = run_folder(catalogue->home(), "finetune", config);
  PANAL_ASSIGN(Json summary, run_training(config, "finetune of " + options.name, "", folder,
                                          options.name, workspace, options.processes));
  print_summary(summary, workspace.terminal());

  registry::NewModel model;
  model.kind = registry::ModelKind::kAdapter;
  model.name = options.name;
  PANAL_ASSIGN(model.files, files_of(summary.value("model_folder", "")));
  model.architecture = Json{{"type", "lora"},
                            {"rank", options.rank},
                            {"alpha", options.alpha},
                            {"parameters", summary.value("trainable_parameters", 0)}};
  model.lineage = lineage_of(summary, config, folder);
  model.lineage.parent = core.version->label();
  if (!text.dataset_sha256.empty()) model.lineage.dataset_sha256 = text.dataset_sha256;
  if (text.partitioning > 0)
    model.lineage.details.update(
        Json{{"partitioning", text.partitioning}, {"partition", text.partition}});
  model.reuse_identical = true;
  PANAL_ASSIGN(const auto added, catalogue->add_model(model));
  workspace.terminal().print(fmt::format("registered as {}", added.label()));
  summary["model"] = registry::to_json(added);
  summary["run_folder"] = folder.string();
  return summary;
}

void add_train_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<TrainOptions>();  // Shared by the flags and the callback.
  CLI::App* command =
      app.add_subcommand("train", "Train as a YAML run file says; the same command again resumes");
  command->add_option("run", options->config_file, "Run file, see docs/guides")->required();
  command->add_option("--name", options->model_name, "Register the result under this name");
  command
      ->add_option("--processes", options->processes,
                   "Share each batch among so many processes, instead of parallel.processes; a run "
                   "may go on with another number")
      ->check(CLI::Range(1, 64));
  command->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      PANAL_ASSIGN(options->config, store::read_file(options->config_file, kMaxConfigBytes));
      options->base_directory =
          std::filesystem::absolute(options->config_file).parent_path().string();
      return train_model(*options, workspace);
    };
  });
}

void add_finetune_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<FinetuneOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "finetune", "Train a LoRA expert over a core; the same command again resumes");
  command->add_option("--core", options->core, "Registered base model")->required();
  command
      ->add_option("--data", options->dataset,
                   "PARTITIONING:LABEL, a dataset's name, or a text or JSONL file")
      ->required();
  command->add_option("--name", options->name, "Name of the expert: GROUP/EXPERT")->required();
  command->add_option("--rank", options->rank, "Rank of the adapters")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--alpha", options->alpha, "Scale: alpha / rank")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--targets", options->targets, "Linear layers to adapt; none: all")
      ->delimiter(',');
  command->add_option("--learning-rate", options->learning_rate, "AdamW")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--precision", options->precision,
                   "Of the products: fp32, bf16, or auto, which is bf16 where the CPU has it")
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}))
      ->capture_default_str();
  command->add_option("--batch", options->batch, "Sequences per step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--context", options->context, "Tokens per sequence")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--processes", options->processes,
                   "Share each batch among so many processes; one may go on with another number")
      ->check(CLI::Range(1, 64));
  command->add_option("--steps", options->steps, "Updates")->check(CLI::PositiveNumber);
  command->add_option("--max-seconds", options->max_seconds, "Wall time")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", options->seed, "Of weights and data order")->capture_default_str();
  command->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      if (!options->steps && !options->max_seconds) options->max_seconds = 80;
      return finetune_model(*options, workspace);
    };
  });
}

}  // namespace panal::cli
