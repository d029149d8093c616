#include "cli/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/error.h"
#include "base/stop_on_signal.h"
#include "cli/commands/commands.h"

namespace panal::cli {
namespace {

constexpr AddCommand kCommands[] = {
    add_demo_command,     add_up_command,       add_ask_command,      add_models_command,
    add_data_command,     add_train_command,    add_finetune_command, add_eval_command,
    add_generate_command, add_tokenize_command, add_deploy_command,   add_serve_command,
    add_jobs_command,     add_bench_command,    add_plan_command,     add_report_command};

int exit_code_of(Code code) { return code == Code::kInvalidArgument ? 2 : 1; }

// With --json the error is a document too, so that scripts parse one thing.
int fail(const Terminal& terminal, const Status& status) {
  if (terminal.json()) {
    fmt::print(
        "{}\n",
        to_line(
            Json{{"error", {{"code", code_name(status.code())}, {"message", status.message()}}}}));
  }
  fmt::print(stderr, "panal: {}\n", status.message());
  return exit_code_of(status.code());
}

}  // namespace

int run_program(std::vector<std::string> arguments) {
  CLI::App app(
      "panal: train, publish and call models on GPUs and CPUs in many places, with every joule "
      "accounted for.\n"
      "State lives in ~/.panal, or in PANAL_HOME. Exit codes: 0 done, 1 failed, 2 wrong usage.",
      "panal");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "panal " + hub::code_version());
  bool json = false;
  app.add_flag("--json", json, "Print the result as one JSON document on standard output");
  Action action;
  for (const AddCommand add : kCommands) add(app, action);
  try {
    std::ranges::reverse(arguments);  // CLI11 takes a vector from its end.
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  const StopOnSignal signals;
  Terminal terminal(json);
  hub::EngineJobRunner runner;
  Workspace workspace(terminal, signals.token(), runner);
  const auto result = capture([&] { return action(workspace); });
  terminal.end_progress();
  if (!result.ok()) return fail(terminal, result.status());
  if (!result->is_null()) terminal.print_json(to_line(*result));
  return 0;
}

}  // namespace panal::cli
