// What all pages of the room share: the frame with its style sheet, and charts as values of a page.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "report/chart.h"

namespace panal::report::detail {

/// The style sheet of pages and stand-alone images; it follows light and dark screens and paper.
std::string_view page_style();

/// A whole page around `body`, which is HTML; the other two are escaped.
std::string page_of(std::string_view title, std::string_view made, std::string_view body);

/// {"svg", "is_wide"}
Json chart_values(const Chart& chart, bool is_wide);

}  // namespace panal::report::detail
