// Every command of `panal`: a plain options struct, a function that adds its flags, and a function
// that does the work and returns the document --json prints. Parsing touches nothing; the work
// knows no command line.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "cli/workspace.h"

namespace panal::cli {

/// What the parsed command line asks for; called once, after parsing.
using Action = std::function<Result<Json>(Workspace&)>;
/// Adds one command with its options; the command sets `action` when it was chosen.
using AddCommand = void (*)(CLI::App& app, Action& action);

void add_models_command(CLI::App& app, Action& action);
void add_data_command(CLI::App& app, Action& action);
void add_train_command(CLI::App& app, Action& action);
void add_finetune_command(CLI::App& app, Action& action);
void add_eval_command(CLI::App& app, Action& action);
void add_generate_command(CLI::App& app, Action& action);
void add_tokenize_command(CLI::App& app, Action& action);
void add_deploy_command(CLI::App& app, Action& action);
void add_up_command(CLI::App& app, Action& action);
void add_serve_command(CLI::App& app, Action& action);
void add_ask_command(CLI::App& app, Action& action);
void add_jobs_command(CLI::App& app, Action& action);
void add_bench_command(CLI::App& app, Action& action);
void add_plan_command(CLI::App& app, Action& action);
void add_report_command(CLI::App& app, Action& action);
void add_demo_command(CLI::App& app, Action& action);

// ---- The work behind the commands, for the commands and the demo.

/// Checks the model at `path` wholly in a child process and registers `model` (name, files,
/// lineage); a new version becomes ready and preferred. A version with the same files is given back
/// as it is.
Result<registry::ModelVersion> register_base_model(registry::NewModel model,
                                                   const std::string& path,
                                                   std::string_view why_preferred,
                                                   Workspace& workspace);

struct ImportOptions {
  std::string path;
  std::string name;
  std::string licence;
};
/// Checks a model file or folder wholly in a child process, then registers it; its checks make it
/// ready and preferred.
Result<Json> import_model(const ImportOptions& options, Workspace& workspace);

struct AddDataOptions {
  std::string name;
  std::vector<std::string> paths;
  std::string licence;
  std::string source;
  std::string deduplicate = "off";  // Or "exact" or "near": whole texts, then passages.
  double near_threshold = 0.8;
};
Result<Json> add_data(const AddDataOptions& options, Workspace& workspace);

struct PartitionOptions {
  std::string dataset;
  std::string core;  // Empty: difficulty stays unknown.
  std::vector<std::pair<std::string, std::string>>
      origins;  // Label and path prefix of the known origin.
  std::int64_t max_partitions = 16;
  std::int64_t difficulty_tokens = 64;  // Of each document, for the core's loss.
  std::uint64_t seed = 1;
};
Result<Json> partition_data(const PartitionOptions& options, Workspace& workspace);

struct TrainOptions {
  std::string config_file;  // Its name in messages.
  std::string config;       // YAML.
  std::string base_directory;
  std::string model_name;          // Registered under this name; empty: not registered.
  std::optional<int> processes{};  // Instead of the file's.
};
Result<Json> train_model(const TrainOptions& options, Workspace& workspace);

struct FinetuneOptions {
  std::string core;
  std::string dataset;  // A JSONL or text file, a dataset's name, or PARTITIONING:LABEL.
  std::string name;
  std::int64_t rank = 8;
  double alpha = 16;
  std::vector<std::string> targets;
  double learning_rate = 2e-3;
  std::string precision = "auto";
  std::int64_t batch = 4;
  std::int64_t context = 256;
  std::optional<std::int64_t> steps;
  std::optional<double> max_seconds;
  std::uint64_t seed = 1;
  std::optional<int> processes{};  // That share each batch; nothing: one.
};
Result<Json> finetune_model(const FinetuneOptions& options, Workspace& workspace);

struct MatrixOptions {
  std::string core;
  std::vector<std::string> experts;  // None: every one trained over the core on this partitioning.
  std::int64_t partitioning = 0;
  std::int64_t context = 256;
  std::int64_t max_tokens = 4096;
};
/// Perplexity of the core and each expert on the held-out documents of each partition, written down
/// as checks: an expert that beats the core on its own partition becomes ready and preferred.
Result<Json> evaluate_matrix(const MatrixOptions& options, Workspace& workspace);

/// Adds `tokenize` and `deduplicate` to `panal bench`.
void add_bench_data_commands(CLI::App& bench, Action& action);
/// Adds `optim` to `panal bench`.
void add_bench_optim_command(CLI::App& bench, Action& action);
/// Adds `requests` to `panal bench`.
void add_bench_requests_command(CLI::App& bench, Action& action);

struct DeployOptions {
  std::string name;
  std::string core;
  std::vector<std::string> experts;  // Registered adapters; each one's partition is in its lineage.
  std::int64_t partitioning = 0;     // Whose topic model routes; 0: none.
};
Result<Json> deploy(const DeployOptions& options, Workspace& workspace);

}  // namespace panal::cli
