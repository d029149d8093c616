// What the three `remove` commands have in common: their flags, and how they tell what went.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "base/json.h"
#include "cli/terminal.h"
#include "registry/removal.h"

namespace panal::cli {

/// --dry-run and --force; `dependents` says what the latter takes along. Nothing is ever asked:
/// what would be lost beyond the thing that was named needs --force, and the refusal lists it.
void add_removal_options(CLI::App* command, registry::RemovalOptions& options,
                         const std::string& dependents);

/// Prints it and returns it as the document of --json.
Json shown_removal(const registry::Removal& removal, Terminal& terminal);

}  // namespace panal::cli
