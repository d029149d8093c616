#include "api/detail/home_page.h"

#include "api/detail/pages.h"

namespace panal::api::detail {

std::string_view home_page() { return pages::kHomeHtml; }

}  // namespace panal::api::detail
