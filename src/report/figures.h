// The figures of runs side by side as words, for terminal and page alike.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/analysis.h"

namespace panal::report {

/// One column: a run, or its part on one machine.
struct Column {
  std::size_t run = 0;  // Index.
  std::string title{};
};

struct FigureRow {
  std::string name{};                // With the unit.
  std::vector<std::string> cells{};  // One per column; "unknown" where nothing is known.
};

struct Figures {
  std::vector<Column> columns{};
  std::vector<FigureRow> rows{};
};

/// Every run has a column; one that ran on several machines has one per machine.
Figures figures_of(std::span<const RunAnalysis> runs);

/// The formulas behind the figures, with the peaks used, one sentence each.
std::vector<std::string> methods_of(std::span<const RunAnalysis> runs);

}  // namespace panal::report
