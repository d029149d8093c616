// What a file is, told by its first bytes: a suffix is at most a promise that the content must
// keep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::data::detail {

enum class FileKind { kText, kJsonLines, kJsonArray, kJson, kTable };

struct Beginning {
  std::string_view bytes;  // Unpacked, without a byte-order mark.
  bool is_whole = false;   // Nothing comes after them.
  std::string_view name;   // Of the file, for what its suffix promises; "" for standard input.
  std::string_view text_column;  // That the caller asked for; "": none.
};

/// How many first bytes recognise() wants.
inline constexpr std::size_t kBeginningBytes = 64 << 10;

/// Errors: kInvalidArgument for what is not text (a known binary format by its name, a NUL byte,
/// UTF-16), a Git LFS pointer, and for a file whose suffix says JSON or a table but whose content
/// is neither.
Result<FileKind> recognise(const Beginning& beginning);

/// The character between a table's columns, when the first line is a header and what follows has
/// as many columns: ',', tab, ';' or '|'. A single column has ','.
std::optional<char> table_separator(std::string_view beginning, bool is_whole);

/// The part of a name that says what a file is, in lower case and without what it is packed in:
/// ".jsonl" of "A.JSONL.gz".
std::string telling_suffix(std::string_view name);

}  // namespace panal::data::detail
