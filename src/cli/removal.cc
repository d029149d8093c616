#include "cli/removal.h"

#include <fmt/format.h>

namespace panal::cli {

void add_removal_options(CLI::App* command, registry::RemovalOptions& options,
                         const std::string& dependents) {
  command->add_flag("--dry-run", options.dry_run, "Only tell what would go; nothing changes");
  command->add_flag("--force", options.force,
                    fmt::format("Take along what goes with it: {}", dependents));
}

Json shown_removal(const registry::Removal& removal, Terminal& terminal) {
  const std::string_view verb = removal.is_done ? "removed" : "would remove";
  for (const auto& line : removal.removed) terminal.print(fmt::format("{} {}", verb, line));
  for (const auto& line : removal.dependents) {
    terminal.print(fmt::format("{} {}{}", verb, line, removal.is_done ? "" : ", by --force only"));
  }
  for (const auto& line : removal.refused_by) terminal.print("refused: " + line);
  for (const auto& line : removal.named_by) {
    terminal.print(fmt::format("{} stays, with its lineage as it is", line));
  }
  terminal.print(fmt::format("{} {}", shown_bytes(removal.freed_bytes),
                             removal.is_done ? "freed" : "would be freed"));
  return registry::to_json(removal);
}

}  // namespace panal::cli
