// The program panal: one command line, exit codes 0 done, 1 failed, 2 wrong usage.
#pragma once

#include <string>
#include <vector>

namespace panal::cli {

int run_program(std::vector<std::string> arguments);

}  // namespace panal::cli
