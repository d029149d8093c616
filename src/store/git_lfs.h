// What Git leaves in place of a large file that it did not fetch: a text of three lines that points
// to it. Whoever reads such a file as what its name says gets a message that misleads.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace panal::store {

/// kInvalidArgument that names `path` and how to get the file when `content`, its first bytes or
/// all of them, is a Git LFS pointer.
Status refuse_lfs_pointer(std::string_view content, const std::filesystem::path& path);

}  // namespace panal::store
