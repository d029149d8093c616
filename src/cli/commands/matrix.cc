// The table of a core and its experts on every partition, for `panal eval` and the demo.
#include <fmt/format.h>

#include "cli/commands/commands.h"

namespace panal::cli {
namespace {

void print_matrix(const hub::Matrix& matrix, Terminal& terminal) {
  std::vector<std::vector<std::string>> rows = {{"PERPLEXITY ON"}};
  rows[0].insert(rows[0].end(), matrix.partitions.begin(), matrix.partitions.end());
  const auto add_row = [&](const std::string& shown, const std::string& adapter,
                           const std::string& home) {
    std::vector<std::string> row = {shown};
    for (const std::string& partition : matrix.partitions) {
      const auto perplexity = matrix.perplexity(adapter, partition);
      row.push_back(perplexity ? fmt::format("{:.2f}{}", *perplexity, partition == home ? " *" : "")
                               : "unknown");
    }
    rows.push_back(std::move(row));
  };
  add_row("core " + matrix.core, "", "");
  for (const auto& expert : matrix.experts)
    add_row(expert.model.label(), expert.model.name, expert.home);
  terminal.table(rows);
  terminal.print("  * the expert's own partition; lower is better");
}

}  // namespace

Result<Json> evaluate_matrix(const hub::EvaluateMatrix& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto matrix, hub::evaluate_matrix(*hive, request, workspace.watch()));
  Terminal& terminal = workspace.terminal();
  print_matrix(matrix, terminal);
  for (const auto& expert : matrix.experts) {
    if (expert.beats_core) continue;
    terminal.print(fmt::format("  {} does not beat the core on {}; it stays a candidate",
                               expert.model.label(), expert.home));
  }
  return hub::to_json(matrix);
}

}  // namespace panal::cli
