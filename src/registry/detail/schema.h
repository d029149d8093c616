// The catalogue's tables, as steps from one format to the next.
#pragma once

#include <span>
#include <string_view>

namespace panal::registry::detail {

/// For store::migrate(). A released step is never edited: a change is a new step at the end.
std::span<const std::string_view> catalogue_migrations();

}  // namespace panal::registry::detail
