#include "data/detail/csv_records.h"

#include <fmt/format.h>

namespace panal::data::detail {

CsvReader::Took CsvReader::take(char byte, std::vector<std::string>& fields) {
  std::string& field = fields.back();
  if (at_ == At::kQuoted) {
    if (byte == '"') {
      at_ = At::kAfterQuote;
    } else {
      field += byte;
    }
    return Took::kMore;
  }
  if (byte == '\r') return Took::kMore;  // Of a CRLF; a field with one of its own is quoted.
  if (byte == '\n') return Took::kRecord;
  if (byte == separator_) {
    fields.emplace_back();
    at_ = At::kFieldStart;
    return Took::kMore;
  }
  if (byte == '"' && at_ == At::kAfterQuote) {  // "" inside quotes is one quote.
    field += '"';
    at_ = At::kQuoted;
    return Took::kMore;
  }
  if (at_ == At::kAfterQuote) return Took::kBroken;
  if (byte == '"' && at_ == At::kFieldStart) {
    at_ = At::kQuoted;
    return Took::kMore;
  }
  at_ = At::kPlain;
  field += byte;
  return Took::kMore;
}

Result<std::optional<std::vector<std::string>>> CsvReader::next() {
  std::vector<std::string> fields(1);
  std::size_t num_bytes = 0;
  line_ = next_line_;
  at_ = At::kFieldStart;
  while (true) {
    PANAL_ASSIGN(const std::string_view ahead, bytes_.peek(1));
    if (ahead.empty()) break;
    std::size_t used = 0;
    Took took = Took::kMore;
    while (used < ahead.size() && took == Took::kMore) {
      const char byte = ahead[used++];
      took = take(byte, fields);
      if (byte == '\n') ++next_line_;
      if (++num_bytes > max_record_bytes_) {
        return Status(Code::kResourceExhausted,
                      fmt::format("line {}: a record longer than {} bytes (a quote that never "
                                  "closes?)",
                                  line_, max_record_bytes_));
      }
    }
    bytes_.skip(used);
    if (took == Took::kBroken) {
      return Status(Code::kInvalidArgument,
                    fmt::format("line {}: a quoted field ends at its second quote, found more of "
                                "it after that (a quote inside must be written twice)",
                                next_line_));
    }
    if (took == Took::kMore) continue;
    if (fields.size() > 1 || !fields[0].empty() || at_ == At::kAfterQuote) {
      return std::optional(std::move(fields));
    }
    line_ = next_line_;
  }
  if (at_ == At::kQuoted) {
    return Status(Code::kInvalidArgument,
                  fmt::format("line {}: a quoted field begins here and never ends", line_));
  }
  if (fields.size() == 1 && fields[0].empty() && at_ != At::kAfterQuote) {
    return std::optional<std::vector<std::string>>();
  }
  return std::optional(std::move(fields));
}

}  // namespace panal::data::detail
