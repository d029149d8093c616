// The report as one HTML file that needs no network: tables, curves as SVG, and how every figure
// was made.
#pragma once

#include <span>
#include <string>

#include "report/analysis.h"

namespace panal::report {

/// A whole page. Names and paths of runs may be anything: they are escaped. `made_at` stands in
/// the head, as it is.
std::string html_page(std::span<const RunAnalysis> runs, const std::string& made_at);

}  // namespace panal::report
