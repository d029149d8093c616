// Fills a page of src/report/pages with values: a small part of Mustache.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace panal::report::detail {

/// {{name}} is the text or number `name`, escaped; {{{name}}} is HTML as it is; {{.}} the value of
/// the section itself. {{#name}}...{{/name}} stands once for each element of a list, once for true
/// and for a text that is not empty, and not at all for false and "". A name is looked for in the
/// innermost section first. A line with nothing but the start or the end of a section leaves no
/// line.
///
/// A page that asks for a value that is not there is a mistake of ours: it aborts.
std::string filled(std::string_view page, const Json& values);

}  // namespace panal::report::detail
