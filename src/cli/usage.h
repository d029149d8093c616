// What was wrong with a command line, in a sentence that names the word and what it could have
// been.
#pragma once

#include <CLI/App.hpp>
#include <span>
#include <string>

namespace panal::cli {

/// The sentence for `error`, which parsing `arguments` with `app` threw: a command or option that
/// is not known comes with the nearest one that is, or with all there are; else what the parser
/// said. Ends with where to read more.
std::string usage_message(const CLI::App& app, std::span<const std::string> arguments,
                          const CLI::ParseError& error);

}  // namespace panal::cli
