#include "cli/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "base/error.h"
#include "base/stop_on_signal.h"
#include "base/timing.h"
#include "cli/commands/commands.h"
#include "cli/usage.h"
#include "store/output.h"

namespace panal::cli {
namespace {

constexpr AddCommand kCommands[] = {
    add_demo_command,     add_up_command,       add_ask_command,      add_models_command,
    add_data_command,     add_train_command,    add_finetune_command, add_eval_command,
    add_generate_command, add_tokenize_command, add_deploy_command,   add_serve_command,
    add_jobs_command,     add_bench_command,    add_plan_command,     add_report_command};

void add_everything(CLI::App& app, bool& json, Action& action) {
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "panal " + hub::code_version());
  app.add_flag("--json", json, "Print the result as one JSON document on standard output");
  for (const AddCommand add : kCommands) add(app, action);
}

void tell_error(const std::string& message) {
  const std::string line = fmt::format("panal: {}\n", message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

// With --json the error is a document too, so that scripts parse one thing.
int fail(Terminal& terminal, const Status& status) {
  terminal.print_json(to_line(
      Json{{"error", {{"code", code_name(status.code())}, {"message", status.message()}}}}));
  tell_error(status.message());
  const Status written = terminal.close();
  if (!written.ok() && written.message() != status.message()) tell_error(written.message());
  return exit_code_of(status.code());
}

int end(Terminal& terminal) {
  const Status written = terminal.close();
  if (written.ok()) return 0;
  tell_error(written.message());
  return 1;
}

// What --help and --version ask for, or what is wrong with the command line.
int end_without_work(const CLI::App& app, std::span<const std::string> arguments,
                     const CLI::ParseError& error, Terminal& terminal) {
  if (error.get_exit_code() != 0) {
    return fail(terminal, Status(Code::kInvalidArgument, usage_message(app, arguments, error)));
  }
  std::ostringstream text;
  app.exit(error, text, text);
  terminal.print_plain(text.str());
  return end(terminal);
}

}  // namespace

int exit_code_of(Code code) {
  if (code == Code::kOk) return 0;
  return code == Code::kInvalidArgument ? 2 : 1;
}

int run_program(const std::vector<std::string>& arguments) {
  store::occupy_standard_descriptors();
  const StopOnSignal signals;  // First: a reader that is gone is an error to report, no signal.
  CLI::App app(
      "panal: train, publish and call models on GPUs and CPUs in many places, with every joule "
      "accounted for.\n"
      "State lives in ~/.panal, or in PANAL_HOME. Exit codes: 0 done, 1 failed, 2 wrong usage.",
      "panal");
  bool json = false;
  Action action;
  add_everything(app, json, action);
  const auto terminal_for = [&](bool prints_json) {
    return Terminal({.json = prints_json, .draws = draws_on_standard_error()}, system_clock(),
                    store::standard_output());
  };
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    Terminal terminal = terminal_for(std::ranges::find(arguments, "--json") != arguments.end());
    return end_without_work(app, arguments, error, terminal);
  }
  Terminal terminal = terminal_for(json);
  hub::EngineJobRunner runner;
  Workspace workspace(terminal, signals.token(), runner);
  const auto result = capture([&] { return action(workspace); });
  terminal.end_progress();
  if (!result.ok()) return fail(terminal, result.status());
  if (!result->is_null()) terminal.print_json(to_line(*result));
  return end(terminal);
}

}  // namespace panal::cli
