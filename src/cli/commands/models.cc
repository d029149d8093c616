#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <memory>

#include "cli/commands/commands.h"
#include "recipe/presets.h"

namespace panal::cli {
namespace {

constexpr std::array<std::string_view, 8> kModelFiles = {
    "config.json",           "generation_config.json",  "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "model.safetensors.index.json",
    "chat_template.jinja",   "added_tokens.json"};

bool is_model_file(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return std::ranges::find(kModelFiles, name) != kModelFiles.end() ||
         path.extension() == ".safetensors" || path.extension() == ".gguf";
}

// The files of a model folder that panal reads; others (read-me files, pickled weights) stay
// behind.
Result<std::map<std::string, std::filesystem::path>> model_files(
    const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    if (path.extension() != ".gguf") {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: expected a .gguf file or a model folder", path.string()));
    }
    return std::map<std::string, std::filesystem::path>{{path.filename().string(), path}};
  }
  if (!std::filesystem::is_directory(path, error)) {
    return Status(
        Code::kNotFound,
        fmt::format("{}: expected a .gguf file or a model folder, found nothing", path.string()));
  }
  std::map<std::string, std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file() && is_model_file(entry.path()))
      files[entry.path().filename().string()] = entry.path();
  }
  if (error)
    return Status(Code::kUnavailable, fmt::format("{}: {}", path.string(), error.message()));
  if (files.empty()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected one .gguf file, or config.json with .safetensors "
                              "weights and tokenizer.json, found neither",
                              path.string()));
  }
  return files;
}

std::string shown_parameters(const registry::ModelVersion& model) {
  if (!model.architecture.contains("parameters")) return "unknown";
  return shown_count(model.architecture.at("parameters").get<double>());
}

Result<Json> list_models(Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto models, catalogue->list_models());
  std::vector<std::vector<std::string>> rows = {
      {"MODEL", "KIND", "STATE", "PARAMETERS", "SIZE", "PARENT"}};
  Json list = Json::array();
  for (const auto& model : models) {
    rows.push_back({model.label(), std::string(registry::kind_name(model.kind)),
                    std::string(registry::lifecycle_name(model.state)), shown_parameters(model),
                    shown_bytes(model.num_bytes()), model.lineage.parent});
    list.push_back(registry::to_json(model));
  }
  if (models.empty()) {
    workspace.terminal().print(
        "No models yet. Import one: panal models import FILE.gguf --name NAME");
  } else {
    workspace.terminal().table(rows);
  }
  return Json{{"models", list}};
}

Result<Json> show_presets(Workspace& workspace) {
  std::vector<std::vector<std::string>> rows = {
      {"PRESET", "SHAPE", "VOCABULARY", "CONTEXT", "PARAMETERS", "IN MATRICES", "FLOP/TOKEN"}};
  for (const recipe::Preset& preset : recipe::presets()) {
    const recipe::ModelConfig& model = preset.config;
    rows.push_back({std::string(preset.name), fmt::format("{} x {}", model.layers, model.width),
                    std::to_string(model.vocabulary_size), std::to_string(model.context_length),
                    std::to_string(model.num_parameters()),
                    std::to_string(model.num_matrix_parameters()),
                    fmt::format("{:.3g}", model.training_flops_per_token(model.context_length))});
  }
  workspace.terminal().table(rows);
  return recipe::presets_to_json();
}

Result<Json> show_model(const std::string& reference, Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto resolved, catalogue->resolve(reference));
  PANAL_ASSIGN(const auto evaluations, catalogue->list_evaluations(resolved.model.id));
  PANAL_ASSIGN(const auto history, catalogue->history(resolved.model.id));
  Json document = registry::to_json(resolved.model);
  document["why"] = resolved.why;
  document["evaluations"] = Json::array();
  for (const auto& evaluation : evaluations)
    document["evaluations"].push_back(registry::to_json(evaluation));
  document["history"] = Json::array();
  for (const auto& step : history) {
    document["history"].push_back({{"from", registry::lifecycle_name(step.from)},
                                   {"to", registry::lifecycle_name(step.to)},
                                   {"reason", step.reason},
                                   {"at", iso_time(step.at_unix_ms)}});
  }
  workspace.terminal().print(to_pretty(document));
  return document;
}

// An expert's files are a PEFT folder as they are.
Result<Json> copy_adapter(const ModelSource& source, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  for (const auto& file : std::filesystem::directory_iterator(*source.adapter)) {
    const auto copy = folder / file.path().filename();
    if (error || !std::filesystem::copy_file(file.path(), copy, error)) break;
    // The registry's own files are read-only.
    std::filesystem::permissions(copy, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add, error);
  }
  if (error) {
    return Status(Code::kUnavailable, fmt::format("cannot write {} to {}: {}", source.label,
                                                  folder.string(), error.message()));
  }
  return Json{{"adapter_of", source.version->lineage.parent}};
}

Result<Json> export_model(const std::string& reference, const std::string& folder,
                          Workspace& workspace) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(workspace, reference));
  auto output = std::filesystem::absolute(folder).lexically_normal();
  if (!output.has_filename()) output = output.parent_path();
  std::error_code error;
  if (std::filesystem::exists(output, error) && !std::filesystem::is_empty(output, error)) {
    return Status(Code::kConflict,
                  fmt::format("{} exists and is not empty; name a new folder", folder));
  }
  // The folder gets its name when it is whole.
  const std::filesystem::path partial = output.string() + ".partial";
  std::filesystem::remove_all(partial, error);
  auto written =
      source.adapter
          ? copy_adapter(source, partial)
          : workspace.run_job("export",
                              Json{{"path", source.core.string()}, {"output", partial.string()}},
                              "exporting");
  if (written.ok()) {
    std::filesystem::rename(partial, output, error);
    if (error) {
      written = Status(Code::kUnavailable,
                       fmt::format("cannot name {}: {}", output.string(), error.message()));
    }
  }
  if (!written.ok()) {
    std::filesystem::remove_all(partial, error);
    return written.status();
  }
  (*written)["model"] = source.label;
  (*written)["folder"] = output.string();
  workspace.terminal().print(fmt::format("{} written to {} ({})", source.label, folder,
                                         source.adapter ? "PEFT adapter" : "Hugging Face layout"));
  return written;
}

Result<Json> verify_models(Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto damage, catalogue->verify_all());
  if (!damage.empty()) {
    return Status(
        Code::kCorrupt,
        fmt::format("{} damaged; import or train what needs them again:\n  {}",
                    damage.size() == 1 ? "1 file is" : fmt::format("{} files are", damage.size()),
                    fmt::join(damage, "\n  ")));
  }
  workspace.terminal().print("every file is there and has its hash");
  return Json{{"damage", Json::array()}};
}

Result<Json> move_model(const std::string& reference, const std::string& state,
                        const std::string& reason, Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto resolved, catalogue->resolve(reference));
  PANAL_ASSIGN(const auto to, registry::lifecycle_from_name(state));
  PANAL_ASSIGN(const auto moved, catalogue->move_model(resolved.model.id, to, reason));
  workspace.terminal().print(
      fmt::format("{} is {} now", moved.label(), registry::lifecycle_name(moved.state)));
  return registry::to_json(moved);
}

}  // namespace

Result<Json> import_model(const ImportOptions& options, Workspace& workspace) {
  PANAL_TRY(registry::check_model_name(options.name, registry::ModelKind::kBase));
  PANAL_ASSIGN(const auto files, model_files(options.path));
  const auto path = std::filesystem::absolute(options.path);
  registry::NewModel model;
  model.name = options.name;
  model.files = files;
  model.lineage.code_version = code_version();
  model.lineage.source = path.filename().string();
  if (!options.licence.empty()) model.lineage.details["licence"] = options.licence;
  PANAL_ASSIGN(const auto added,
               register_base_model(std::move(model), path.string(), "imported last", workspace));
  const Json& architecture = added.architecture;
  workspace.terminal().print(
      fmt::format("{}: {} with {} parameters, context {}, {} on disk, {}", added.label(),
                  architecture.value("architecture", ""), shown_parameters(added),
                  architecture.value("context_length", 0), shown_bytes(added.num_bytes()),
                  registry::lifecycle_name(added.state)));
  return registry::to_json(added);
}

void add_models_command(CLI::App& app, Action& action) {
  struct Options {
    ImportOptions imported;
    std::string reference, output, state, reason = "moved by hand";
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callbacks.
  CLI::App* command =
      app.add_subcommand("models", "List, import, export, promote and verify models");
  command->fallthrough();
  command->callback([command, &action] {
    if (command->get_subcommands().empty())
      action = [](Workspace& workspace) { return list_models(workspace); };
  });
  CLI::App* imported =
      command->add_subcommand("import", "Check and register a GGUF file or a Hugging Face folder");
  imported
      ->add_option("path", options->imported.path,
                   "FILE.gguf, or a folder with config.json, *.safetensors, tokenizer.json")
      ->required();
  imported
      ->add_option("--name", options->imported.name,
                   "Name in the registry: lower-case letters, digits, '.', '_', '-'")
      ->required();
  imported->add_option("--licence", options->imported.licence, "SPDX name of its licence");
  imported->callback([options, &action] {
    action = [options](Workspace& workspace) { return import_model(options->imported, workspace); };
  });
  command
      ->add_subcommand("presets",
                       "Shapes that a run's YAML (model: {preset: NAME}) and "
                       "`panal bench train --preset` know")
      ->callback([&action] { action = show_presets; });
  CLI::App* show = command->add_subcommand("show", "Lineage, checks and history of one model");
  show->add_option("model", options->reference, "NAME or NAME@VERSION")->required();
  show->callback([options, &action] {
    action = [options](Workspace& workspace) { return show_model(options->reference, workspace); };
  });
  CLI::App* exported = command->add_subcommand(
      "export",
      "Write a model as a Hugging Face folder that transformers loads, an expert as one for PEFT");
  exported->add_option("model", options->reference, "NAME, NAME@VERSION or a path")->required();
  exported->add_option("--output", options->output, "New folder")->required();
  exported->callback([options, &action] {
    action = [options](Workspace& workspace) {
      return export_model(options->reference, options->output, workspace);
    };
  });
  CLI::App* verify = command->add_subcommand(
      "verify", "Hash every stored file again and tell the damage: exit code 1 when there is any");
  verify->callback(
      [&action] { action = [](Workspace& workspace) { return verify_models(workspace); }; });
  CLI::App* promote = command->add_subcommand(
      "promote", "Move a version along candidate, ready, preferred, retired");
  promote->add_option("model", options->reference, "NAME@VERSION")->required();
  promote->add_option("--to", options->state, "ready, preferred, retired or candidate")->required();
  promote->add_option("--reason", options->reason, "Kept in the history")->capture_default_str();
  promote->callback([options, &action] {
    action = [options](Workspace& workspace) {
      return move_model(options->reference, options->state, options->reason, workspace);
    };
  });
}

}  // namespace panal::cli
