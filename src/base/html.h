// Text inside HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace panal {

/// The text with & < > ' " as entities, as Jinja's markupsafe writes them: shown as it is wherever
/// it stands, in attributes too.
std::string escaped_html(std::string_view text);

}  // namespace panal
