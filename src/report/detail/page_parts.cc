#include "report/detail/page_parts.h"

#include "report/detail/pages.h"
#include "report/detail/template.h"

namespace panal::report::detail {

std::string_view page_style() { return pages::kStyleCss; }

std::string page_of(std::string_view title, std::string_view made, std::string_view body) {
  return filled(pages::kFrameHtml,
                Json{{"title", title}, {"made", made}, {"style", page_style()}, {"body", body}});
}

Json chart_values(const Chart& chart, bool is_wide) {
  return Json{{"svg", to_svg(chart)}, {"is_wide", is_wide}};
}

}  // namespace panal::report::detail
