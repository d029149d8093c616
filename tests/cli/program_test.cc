// How the program ends. The whole of it runs in tests/e2e/test_command_line.py.
#include "cli/program.h"

#include <gtest/gtest.h>

namespace panal::cli {
namespace {

TEST(Program, EndsWithTwoForWhatCannotBeRightAndWithOneForTheRest) {
  EXPECT_EQ(exit_code_of(Code::kOk), 0);
  EXPECT_EQ(exit_code_of(Code::kInvalidArgument), 2);
  for (const Code code :
       {Code::kNotFound, Code::kConflict, Code::kUnavailable, Code::kCorrupt, Code::kCancelled,
        Code::kResourceExhausted, Code::kDeadlineExceeded, Code::kUnsupported, Code::kInternal}) {
    EXPECT_EQ(exit_code_of(code), 1) << code_name(code);
  }
}

}  // namespace
}  // namespace panal::cli
