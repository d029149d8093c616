// Records out of JSON as it is found: one value a line, values one after another over several
// lines, or one array of them. Nothing but the current record is held.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "data/detail/byte_source.h"
#include "data/detail/file_kind.h"

namespace panal::data::detail {

class JsonRecords {
 public:
  /// `kind` is kJsonLines, kJsonArray or kJson (values of several lines).
  JsonRecords(BufferedBytes& bytes, FileKind kind, std::size_t max_record_bytes)
      : bytes_(bytes), kind_(kind), max_record_bytes_(max_record_bytes) {}

  /// The text of the next record, not yet parsed, or nothing at the end. Errors:
  /// kInvalidArgument for what cannot be JSON between the records or for an end inside one,
  /// kResourceExhausted for a record over the bound; both say the line.
  Result<std::optional<std::string>> next();
  /// Where the record that next() gave began, from 1.
  std::int64_t line() const { return line_; }

 private:
  Result<std::optional<std::string>> next_line();
  Result<std::optional<std::string>> next_value();
  Result<std::string> take_value();
  Result<char> look();  // The next byte that is not white space; 0 at the end.
  Status broken(std::string_view wanted, char found) const;

  BufferedBytes& bytes_;
  const FileKind kind_;
  const std::size_t max_record_bytes_;
  std::int64_t line_ = 0;
  std::int64_t next_line_ = 1;
  bool is_inside_array_ = false;
  bool is_after_array_ = false;
};

}  // namespace panal::data::detail
