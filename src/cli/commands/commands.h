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
#include "hub/add_dataset.h"
#include "hub/endpoints.h"
#include "hub/evaluate_matrix.h"
#include "hub/finetune_expert.h"
#include "hub/import_model.h"
#include "hub/partition_dataset.h"
#include "hub/train_model.h"

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

// ---- Commands with their printing, which the demo runs one after the other.

Result<Json> import_model(const hub::ImportModel& request, Workspace& workspace);
Result<Json> deploy(const hub::DeployEndpoint& request, Workspace& workspace);

Result<Json> add_dataset(const hub::AddDataset& request, Workspace& workspace);
Result<Json> partition_dataset(const hub::PartitionDataset& request, Workspace& workspace);
Result<Json> train_model(const hub::TrainModel& request, Workspace& workspace);
Result<Json> finetune_expert(const hub::FinetuneExpert& request, Workspace& workspace);

Result<Json> evaluate_matrix(const hub::EvaluateMatrix& request, Workspace& workspace);

/// Adds `tokenize` and `deduplicate` to `panal bench`.
void add_bench_data_commands(CLI::App& bench, Action& action);
/// Adds `optim` to `panal bench`.
void add_bench_optim_command(CLI::App& bench, Action& action);
/// Adds `requests` to `panal bench`.
void add_bench_requests_command(CLI::App& bench, Action& action);
/// Adds `contention` to `panal bench`.
void add_bench_contention_command(CLI::App& bench, Action& action);

}  // namespace panal::cli
