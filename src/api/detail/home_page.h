// The page at "/": one string, no other resource, so that it works without the Internet.
#pragma once

#include <string_view>

namespace panal::api::detail {

std::string_view home_page();

}  // namespace panal::api::detail
