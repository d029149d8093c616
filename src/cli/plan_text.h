// What a person reads of a plan: sentences and tables, made without a terminal.
#pragma once

#include <string>
#include <vector>

#include "recipe/run_plan.h"

namespace panal::cli {

/// A sentence, or a table whose first row is its head.
struct TextBlock {
  std::string line{};
  std::vector<std::vector<std::string>> table{};  // Empty: a sentence.
};

std::vector<TextBlock> plan_text(const recipe::RunPlan& plan);

}  // namespace panal::cli
