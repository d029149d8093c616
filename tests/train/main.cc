// The tests of this program; or, asked with "--train FOLDER NAME YAML", the process of a toy run
// that a test kills.
#include <gtest/gtest.h>

#include <string_view>

#include "tests/train/toy_run.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 5 && argv[1] == std::string_view("--train")) {
    panal::train::RecordingEvents events;
    return run_toy(panal::train::toy_config(argv[2], argv[4], argv[3]), events).ok() ? 0 : 1;
  }
  return RUN_ALL_TESTS();
}
