#include "store/git_lfs.h"

#include <fmt/format.h>

namespace panal::store {

Status refuse_lfs_pointer(std::string_view content, const std::filesystem::path& path) {
  if (!content.starts_with("version https://git-lfs.github.com/spec/")) return {};
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  return Status(
      Code::kInvalidArgument,
      fmt::format("{}: this is a Git LFS pointer, not the file itself; run \"git lfs pull\" in {} "
                  "to get it (git-lfs must be installed), or download the file from its page",
                  path.string(), folder.string()));
}

}  // namespace panal::store
