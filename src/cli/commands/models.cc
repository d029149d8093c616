#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/program.h"
#include "cli/removal.h"
#include "hub/export_model.h"
#include "hub/import_expert.h"
#include "hub/models.h"
#include "recipe/presets.h"

namespace panal::cli {
namespace {

// A fact of a model's architecture: nothing of it need be there, as of a file of another program.
std::string shown_fact(const registry::ModelVersion& model, const char* name) {
  if (!json_has(model.architecture, name)) return "unknown";
  const Json& fact = model.architecture.at(name);
  return fact.is_string() ? fact.get<std::string>() : to_line(fact);
}

std::string shown_parameters(const registry::ModelVersion& model) {
  const auto count = json_number(model.architecture, "parameters", model.label(), 0, 1e18);
  return count.ok() ? shown_count(*count) : "unknown";
}

Result<Json> list_models(Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto models, hub::list_models(*hive));
  std::vector<std::vector<std::string>> rows = {
      {"MODEL", "KIND", "STATE", "PARAMETERS", "SIZE", "PARENT"}};
  Json list = Json::array();
  for (const auto& listed : models) {
    const registry::ModelVersion& model = listed.model;
    rows.push_back({model.label(), std::string(registry::kind_name(model.kind)),
                    std::string(registry::lifecycle_name(model.state)), shown_parameters(model),
                    shown_bytes(model.num_bytes()), model.lineage.parent});
    list.push_back(hub::to_json(listed));
  }
  if (models.empty()) {
    workspace.terminal().print(
        "No models yet. Import one: panal models import FILE.gguf --name NAME");
  } else {
    workspace.terminal().table(rows);
  }
  for (const auto& listed : models) {
    if (listed.shadowed_by.empty()) continue;
    workspace.terminal().print(fmt::format("  asked for \"{}\", {} answers, not this model",
                                           listed.model.name, listed.shadowed_by));
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
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto history, hub::show_model(*hive, reference));
  Json document = hub::to_json(history);
  workspace.terminal().print(to_pretty(document));
  return document;
}

Result<Json> export_model(const hub::ExportModel& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto exported, hub::export_model(*hive, request, workspace.watch()));
  workspace.terminal().print(
      fmt::format("{} written to {} ({})", exported.model, request.folder.string(),
                  exported.adapter_of ? "PEFT adapter" : "Hugging Face layout"));
  return hub::to_json(exported);
}

Result<Json> verify_models(Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto damage, hub::verify_files(*hive));
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

Result<Json> promote_model(const hub::PromoteModel& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto moved, hub::promote_model(*hive, request));
  workspace.terminal().print(
      fmt::format("{} is {} now", moved.label(), registry::lifecycle_name(moved.state)));
  return registry::to_json(moved);
}

// What an import found that nobody would look for: a model that cannot chat, tensors left out.
void print_findings(const Json& facts, Terminal& terminal) {
  if (json_has(facts, "chat_reason")) {
    terminal.print(fmt::format("  imported without chat, its template fails: {}",
                               facts.at("chat_reason").get<std::string>()));
  }
  if (json_has(facts, "chat_tools_reason")) {
    terminal.print(
        fmt::format("  chats without tools: {}", facts.at("chat_tools_reason").get<std::string>()));
  }
  if (!json_has(facts, "unused_tensors") || facts.at("unused_tensors").empty()) return;
  const auto names = facts.at("unused_tensors").get<std::vector<std::string>>();
  constexpr std::size_t kShown = 8;
  const std::vector<std::string> shown(
      names.begin(), names.begin() + std::ptrdiff_t(std::min(names.size(), kShown)));
  terminal.print(fmt::format(
      "  left out, because nothing computes with them: {}{}", fmt::join(shown, ", "),
      names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : std::string()));
}

Result<Json> import_expert(const hub::ImportExpert& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto added, hub::import_expert(*hive, request, workspace.watch()));
  workspace.terminal().print(
      fmt::format("{}: an expert of {}, rank {}, with {} parameters, {} on disk, {}", added.label(),
                  added.lineage.parent, shown_fact(added, "rank"), shown_parameters(added),
                  shown_bytes(added.num_bytes()), registry::lifecycle_name(added.state)));
  return registry::to_json(added);
}

}  // namespace

Result<Json> import_model(const hub::ImportModel& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto added, hub::import_model(*hive, request, workspace.watch()));
  workspace.terminal().print(
      fmt::format("{}: {} with {} parameters, context {}, {} on disk, {}", added.label(),
                  shown_fact(added, "architecture"), shown_parameters(added),
                  shown_fact(added, "context_length"), shown_bytes(added.num_bytes()),
                  registry::lifecycle_name(added.state)));
  print_findings(added.architecture, workspace.terminal());
  return registry::to_json(added);
}

void add_models_command(CLI::App& app, Action& action) {
  struct Options {
    hub::ImportModel imported;
    std::string core;  // Of an expert that is imported.
    std::string shown;
    hub::ExportModel exported;
    hub::PromoteModel promoted{.reason = "moved by hand"};
    hub::RemoveModel removed;
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callbacks.
  CLI::App* command =
      app.add_subcommand("models", "List, import, export, promote, verify and remove models");
  command->fallthrough();
  command->callback([command, &action] {
    if (command->get_subcommands().empty())
      action = [](Workspace& workspace) { return list_models(workspace); };
  });
  CLI::App* imported =
      command->add_subcommand("import",
                              "Check and register a GGUF file, a Hugging Face folder, or a PEFT "
                              "adapter as an expert");
  imported
      ->add_option("path", options->imported.path,
                   "FILE.gguf, a folder with config.json, *.safetensors, tokenizer.json, or one "
                   "with adapter_config.json, adapter_model.safetensors")
      ->required();
  imported
      ->add_option("--name", options->imported.name,
                   "Name in the registry: lower-case letters, digits, '.', '_', '-'")
      ->required();
  imported->add_option("--licence", options->imported.licence, "SPDX name of its licence");
  imported->add_option("--core", options->core,
                       "Of a PEFT adapter: its core, a registered base model; without it the one "
                       "that adapter_config.json names");
  imported->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      const hub::ImportModel& model = options->imported;
      if (hub::is_peft_folder(model.path)) {
        return as_bad_input(import_expert({.path = model.path,
                                           .name = model.name,
                                           .core = options->core,
                                           .licence = model.licence},
                                          workspace));
      }
      if (!options->core.empty()) {
        return Status(Code::kInvalidArgument,
                      "--core is for a PEFT adapter, a folder with adapter_config.json");
      }
      return as_bad_input(import_model(model, workspace));
    };
  });
  command
      ->add_subcommand("presets",
                       "Shapes that a run's YAML (model: {preset: NAME}) and "
                       "`panal bench train --preset` know")
      ->callback([&action] { action = show_presets; });
  CLI::App* show = command->add_subcommand("show", "Lineage, checks and history of one model");
  show->add_option("model", options->shown, "NAME or NAME@VERSION")->required();
  show->callback([options, &action] {
    action = [options](Workspace& workspace) { return show_model(options->shown, workspace); };
  });
  CLI::App* exported = command->add_subcommand(
      "export",
      "Write a model as a Hugging Face folder that transformers loads, an expert as one for PEFT");
  exported->add_option("model", options->exported.model, "NAME, NAME@VERSION or a path")
      ->required();
  exported->add_option("--output", options->exported.folder, "New folder")->required();
  exported->callback([options, &action] {
    action = [options](Workspace& workspace) { return export_model(options->exported, workspace); };
  });
  CLI::App* verify = command->add_subcommand(
      "verify", "Hash every stored file again and tell the damage: exit code 1 when there is any");
  verify->callback(
      [&action] { action = [](Workspace& workspace) { return verify_models(workspace); }; });
  CLI::App* promote = command->add_subcommand(
      "promote", "Move a version along candidate, ready, preferred, retired");
  promote->add_option("model", options->promoted.model, "NAME@VERSION")->required();
  promote->add_option("--to", options->promoted.state, "ready, preferred, retired or candidate")
      ->required();
  promote->add_option("--reason", options->promoted.reason, "Kept in the history")
      ->capture_default_str();
  promote->callback([options, &action] {
    action = [options](Workspace& workspace) {
      return promote_model(options->promoted, workspace);
    };
  });
  CLI::App* removed = command->add_subcommand(
      "remove", "Forget a version, or all of a name; refused while something stands on it");
  removed->add_option("model", options->removed.model, "NAME or NAME@VERSION")->required();
  add_removal_options(removed, options->removed.options, "the experts over a core");
  removed->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
      PANAL_ASSIGN(const auto removal, hub::remove_model(*hive, options->removed));
      return shown_removal(removal, workspace.terminal());
    };
  });
}

}  // namespace panal::cli
