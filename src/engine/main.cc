#include <string>
#include <vector>

#include "engine/program.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return panal::engine::run_program(arguments);
}
