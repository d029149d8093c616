// Why something was not done, as it is said to another program.
#pragma once

#include <string>

#include "base/result.h"

namespace panal::work {

struct Failure {
  std::string code{};  // code_name() of a Code; one that nobody knows counts as internal.
  std::string message{};

  static Failure of(const Status& status) {
    return {std::string(code_name(status.code())), status.message()};
  }
  Status status() const { return Status(code_from_name(code), message); }
};

}  // namespace panal::work
