// A name for what files hold, however they are called and wherever they lie: equal digests mean
// that whoever reads them reads the same.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::store {

/// 32 hexadecimal digits that stand for the bytes below the paths, in their order: of a file its
/// bytes, of a folder those of all files below it in sorted order. Links are followed, hidden
/// entries are passed over, and what is reached twice counts once, as when texts are read. Names
/// and times do not count.
///
/// Every byte is read (XXH3, about as fast as memory is read): a file that keeps its size and its
/// time is still noticed.
///
/// Errors: kNotFound, kUnavailable: what cannot be read. kInvalidArgument: a path that leads to no
/// file or folder, because what a pipe gives cannot be read again.
Result<std::string> content_digest(std::span<const std::filesystem::path> paths);

/// The same of a model or tokenizer: a file, or those files of a folder whose names end as one of
/// `endings` (".safetensors", ...), with their names, because these decide what they are.
Result<std::string> content_digest(const std::filesystem::path& path,
                                   std::span<const std::string_view> endings);

}  // namespace panal::store
