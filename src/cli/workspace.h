// What every command works with: the home, its catalogue, the terminal, and the request to stop.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "cli/terminal.h"
#include "fleet/engine_job.h"
#include "registry/catalogue.h"

namespace panal::cli {

/// Opened when first used, so that commands that need no home never make one.
class Workspace {
 public:
  Workspace(Terminal& terminal, std::stop_token stop)
      : terminal_(terminal), stop_(std::move(stop)) {}

  Terminal& terminal() { return terminal_; }
  std::stop_token stop() const { return stop_; }
  SystemClock& clock() { return clock_; }
  /// Errors: those of open_home and Catalogue::open.
  Result<registry::Catalogue*> catalogue();

  /// Runs a job of panal-engine, shows its progress, and writes it down in the catalogue. `title`
  /// stands beside the progress. `folder` is made; empty: a fresh one under home/jobs. `processes`:
  /// see fleet::EngineJob.
  Result<Json> run_job(const std::string& kind, const Json& spec, const std::string& title,
                       std::filesystem::path folder = {}, int processes = 1);

 private:
  void show(const Json& event, const std::string& title);

  Terminal& terminal_;
  const std::stop_token stop_;
  SystemClock clock_;
  std::unique_ptr<registry::Catalogue> catalogue_;
};

/// Where a model's files lie.
struct ModelSource {
  std::filesystem::path core;
  std::optional<std::filesystem::path> adapter;
  std::string label;                              // "smollm2@1" or the path.
  std::optional<registry::ModelVersion> version;  // Empty for a path.
};

/// What "--model" means: a registered name ("smollm2", "smollm2@2", an expert's name), else a path
/// of a model folder or GGUF file. Errors: kNotFound says that it is neither.
Result<ModelSource> find_model_source(Workspace& workspace, const std::string& name_or_path);

/// The model and adapter of a source as members of a job's spec.
Json source_to_spec(const ModelSource& source);

/// The version and commit this program was built from: "0.1.0 (1a2b3c4d5e6f)".
std::string code_version();

}  // namespace panal::cli
