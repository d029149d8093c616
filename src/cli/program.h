// The program panal: one command line, exit codes 0 done, 1 failed, 2 wrong usage.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace panal::cli {

/// 0 done; 2 what was asked for cannot be right, on the command line or in a file it names:
/// repeating it cannot help; 1 anything else.
int exit_code_of(Code code);

/// For commands that read files which people name: a damaged one is bad input there, while a
/// damaged home is a failure.
template <typename T>
Result<T> as_bad_input(Result<T> result) {
  if (result.code() != Code::kCorrupt) return result;
  return Status(Code::kInvalidArgument, result.status().message());
}

/// Runs the program and returns its exit code. A result or help text that could not be written is a
/// failure. SIGINT and SIGTERM ask the command to end.
int run_program(const std::vector<std::string>& arguments);

}  // namespace panal::cli
