// Tables as spreadsheets and databases write them (RFC 4180): a header, records of as many fields,
// quotes around what holds separators, quotes or line ends. Read one record at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/detail/byte_source.h"

namespace panal::data::detail {

class CsvReader {
 public:
  CsvReader(BufferedBytes& bytes, char separator, std::size_t max_record_bytes)
      : bytes_(bytes), separator_(separator), max_record_bytes_(max_record_bytes) {}

  /// The next record's fields, or nothing at the end; empty lines are passed over. Errors:
  /// kInvalidArgument for a quoted field that never ends or goes on after its end,
  /// kResourceExhausted for a record over the bound; both say the line.
  Result<std::optional<std::vector<std::string>>> next();
  /// Where the record that next() gave began, from 1.
  std::int64_t line() const { return line_; }

 private:
  enum class At { kFieldStart, kPlain, kQuoted, kAfterQuote };
  enum class Took { kMore, kRecord, kBroken };
  Took take(char byte, std::vector<std::string>& fields);

  BufferedBytes& bytes_;
  const char separator_;
  const std::size_t max_record_bytes_;
  At at_ = At::kFieldStart;
  std::int64_t line_ = 0;       // Of the record's start.
  std::int64_t next_line_ = 1;  // Of the next byte.
};

}  // namespace panal::data::detail
