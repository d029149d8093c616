#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/program.h"
#include "energy/carbon.h"
#include "report/analysis.h"
#include "report/figures.h"
#include "report/page.h"
#include "store/output.h"

namespace panal::cli {
namespace {

struct ReportOptions {
  std::vector<std::string> runs;
  std::string html;  // File to write; empty: none.
};

void print_figures(const std::vector<report::RunAnalysis>& runs, Terminal& terminal) {
  const report::Figures figures = report::figures_of(runs);
  std::vector<std::vector<std::string>> rows(1, {""});
  for (const auto& column : figures.columns) rows[0].push_back(column.title);
  for (const auto& row : figures.rows) {
    rows.push_back({row.name});
    rows.back().insert(rows.back().end(), row.cells.begin(), row.cells.end());
  }
  terminal.table(rows);
  for (const auto& line : report::methods_of(runs)) terminal.print(line);
  for (const auto& run : runs) {
    for (const auto& note : run.record.notes) {
      terminal.print(fmt::format("{}: {}", run.record.name, note));
    }
  }
}

Result<Json> report_runs(const ReportOptions& options, Workspace& workspace) {
  std::vector<report::RunAnalysis> runs;
  const energy::CarbonOptions carbon = energy::carbon_options_from_environment();
  for (const std::string& path : options.runs) {
    PANAL_ASSIGN(report::RunRecord record, report::read_run(path));
    runs.push_back(report::analyse(std::move(record), carbon));
  }
  Json document = {{"runs", Json::array()}, {"methods", report::methods_of(runs)}};
  for (const auto& run : runs) document["runs"].push_back(report::analysis_to_json(run));
  print_figures(runs, workspace.terminal());
  if (options.html.empty()) return document;
  const std::string page = report::html_page(runs, iso_time(workspace.clock().unix_ms()));
  PANAL_TRY(store::write_output(store::posix_file_system(), options.html, page));
  workspace.terminal().note(fmt::format("wrote {}", options.html));
  document["html"] = options.html;
  return document;
}

}  // namespace

void add_report_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<ReportOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "report",
      "Loss, speed, MFU, memory and energy of runs, side by side, also from other "
      "machines");
  command->add_option("runs", options->runs, "Run folders, or files of `panal bench train --json`")
      ->required();
  command->add_option("--html", options->html,
                      "Write a page with plots to this file; it needs no network");
  command->callback([options, &action] {
    action = [options](Workspace& workspace) {
      return as_bad_input(report_runs(*options, workspace));
    };
  });
}

}  // namespace panal::cli
