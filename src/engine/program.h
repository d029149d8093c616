// The program panal-engine: what the command line may say, and how work ends.
#pragma once

#include <span>
#include <string>

namespace panal::engine {

/// Runs `job FOLDER` or `serve --spec FILE --socket PATH`. Returns 0 done, 1 failed, 2 wrong usage.
/// SIGTERM and SIGINT ask the work to end: training writes a checkpoint first.
int run_program(std::span<const std::string> arguments);

}  // namespace panal::engine
