#include "cli/workspace.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "panal_version.h"
#include "store/file_system.h"

namespace panal::cli {

Result<registry::Catalogue*> Workspace::catalogue() {
  if (!catalogue_) {
    PANAL_ASSIGN(const store::Home home, store::open_home());
    PANAL_ASSIGN(catalogue_, registry::Catalogue::open(store::posix_file_system(), home, clock_));
  }
  return catalogue_.get();
}

void Workspace::show(const Json& event, const std::string& title) {
  const std::string name = event.value("event", "");
  if (name == "message") terminal_.note(event.value("text", ""));
  if (name == "sample") terminal_.note(fmt::format("sample: {}", event.value("text", "")));
  if (name == "evaluation") {
    std::string line =
        fmt::format("step {}: held-out loss {:.3f}, perplexity {:.2f}", event.value("step", 0),
                    event.value("loss", 0.0), event.value("perplexity", 0.0));
    const Json tasks = event.value("tasks", Json::object());
    for (const auto& [task, scores] : tasks.items()) {
      line += fmt::format(", {} acc {:.3f}", task, scores.value("acc", 0.0));
    }
    terminal_.note(line);
  }
  if (name != "progress") return;
  if (event.contains("fraction")) {
    terminal_.progress(event.value("fraction", 0.0), title);
    return;
  }
  const double step = event.value("step", 0.0);
  const double steps = event.value("steps", 0.0);
  terminal_.progress(
      steps > 0 ? step / steps : -1,
      fmt::format("{}  step {}/{}  loss {:.3f}  {:.0f} tokens/s  {:.0f} s left", title, step, steps,
                  event.value("loss", 0.0), event.value("tokens_per_s", 0.0),
                  event.value("seconds_left", 0.0)));
}

Result<Json> Workspace::run_job(const std::string& kind, const Json& spec, const std::string& title,
                                std::filesystem::path folder, int processes) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, this->catalogue());
  PANAL_ASSIGN(const registry::Job job, catalogue->add_job(kind, spec));
  PANAL_TRY(catalogue->start_job(job.id));
  if (folder.empty()) folder = catalogue->home().jobs / job.id;
  auto result = fleet::run_engine_job(
      {kind, spec, folder, processes}, [&](const Json& event) { show(event, title); }, stop_);
  terminal_.end_progress();
  if (result.ok()) {
    PANAL_TRY(catalogue->succeed_job(job.id, *result));
  } else if (result.code() == Code::kCancelled) {
    PANAL_TRY(catalogue->cancel_job(job.id, "stopped on request"));
  } else {
    PANAL_TRY(catalogue->fail_job(job.id, result.status().message()));
  }
  return result;
}

Result<ModelSource> find_model_source(Workspace& workspace, const std::string& name_or_path) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  auto resolved = catalogue->resolve(name_or_path);
  if (!resolved.ok()) {
    std::error_code error;
    if (!name_or_path.empty() && std::filesystem::exists(name_or_path, error)) {
      return ModelSource{std::filesystem::absolute(name_or_path), std::nullopt, name_or_path,
                         std::nullopt};
    }
    if (resolved.code() != Code::kNotFound && resolved.code() != Code::kInvalidArgument)
      return resolved.status();
    return Status(Code::kNotFound, fmt::format("expected a registered model or the path of a model "
                                               "folder or GGUF file, found \"{}\": {}",
                                               name_or_path, resolved.status().message()));
  }
  ModelSource source;
  source.label = resolved->model.label();
  source.version = resolved->model;
  PANAL_ASSIGN(const auto folder, catalogue->materialise(resolved->model));
  if (resolved->model.kind == registry::ModelKind::kBase) {
    source.core = folder;
    return source;
  }
  source.adapter = folder;
  PANAL_ASSIGN(const auto parent, catalogue->resolve(resolved->model.lineage.parent));
  PANAL_ASSIGN(source.core, catalogue->materialise(parent.model));
  return source;
}

Json source_to_spec(const ModelSource& source) {
  Json spec = {{"model", source.core.string()}};
  if (source.adapter) spec["adapter"] = source.adapter->string();
  return spec;
}

std::string code_version() { return fmt::format("{} ({})", PANAL_VERSION, PANAL_COMMIT); }

}  // namespace panal::cli
