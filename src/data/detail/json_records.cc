#include "data/detail/json_records.h"

#include <fmt/format.h>

#include <algorithm>

namespace panal::data::detail {
namespace {

constexpr int kMaxDepth = 64;  // As parse_json().

bool is_space(char byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

// Goes through a value byte by byte, to know where it ends; whether it is right the parser says.
class ValueScanner {
 public:
  // True when `byte` was the value's last one. A number, true, false or null ends before what
  // follows it: see ends_before().
  bool takes(char byte) {
    if (is_in_string_) {
      if (is_escaped_) {
        is_escaped_ = false;
      } else if (byte == '\\') {
        is_escaped_ = true;
      } else if (byte == '"') {
        is_in_string_ = false;
        return depth_ == 0;
      }
      return false;
    }
    if (byte == '"') {
      is_in_string_ = true;
    } else if (byte == '{' || byte == '[') {
      ++depth_;
    } else if (byte == '}' || byte == ']') {
      return --depth_ <= 0;
    }
    return false;
  }
  bool ends_before(char byte) const {
    return depth_ == 0 && !is_in_string_ && (is_space(byte) || byte == ',' || byte == ']');
  }
  bool is_too_deep() const { return depth_ > kMaxDepth; }

 private:
  int depth_ = 0;
  bool is_in_string_ = false;
  bool is_escaped_ = false;
};

}  // namespace

Status JsonRecords::broken(std::string_view wanted, char found) const {
  return Status(
      Code::kInvalidArgument,
      fmt::format("line {}: expected {}, found {}", next_line_, wanted,
                  found == 0 ? std::string("the end of the file") : fmt::format("\"{}\"", found)));
}

Result<std::optional<std::string>> JsonRecords::next() {
  return kind_ == FileKind::kJsonLines ? next_line() : next_value();
}

Result<std::optional<std::string>> JsonRecords::next_line() {
  while (true) {
    std::string line;
    line_ = next_line_;
    bool has_end = false;
    while (!has_end) {
      PANAL_ASSIGN(const std::string_view ahead, bytes_.peek(1));
      if (ahead.empty()) break;
      const std::size_t end = ahead.find('\n');
      has_end = end != std::string_view::npos;
      const std::string_view part = ahead.substr(0, end);
      if (line.size() + part.size() > max_record_bytes_) {
        return Status(Code::kResourceExhausted,
                      fmt::format("line {}: longer than {} bytes", line_, max_record_bytes_));
      }
      line += part;
      bytes_.skip(part.size() + (has_end ? 1 : 0));
    }
    if (has_end) ++next_line_;
    const bool is_blank = std::ranges::all_of(line, is_space);
    if (!is_blank) return std::optional(std::move(line));
    if (!has_end) return std::optional<std::string>();
  }
}

Result<char> JsonRecords::look() {
  while (true) {
    PANAL_ASSIGN(const std::string_view ahead, bytes_.peek(1));
    if (ahead.empty()) return '\0';
    const auto first = std::ranges::find_if_not(ahead, is_space);
    const auto blank = static_cast<std::size_t>(first - ahead.begin());
    next_line_ += std::ranges::count(ahead.substr(0, blank), '\n');
    const bool is_found = first != ahead.end();
    const char found = is_found ? *first : '\0';
    bytes_.skip(blank);
    if (is_found) return found;
  }
}

Result<std::string> JsonRecords::take_value() {
  std::string value;
  ValueScanner scanner;
  line_ = next_line_;
  while (true) {
    PANAL_ASSIGN(const std::string_view ahead, bytes_.peek(1));
    if (ahead.empty()) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("line {}: a value begins here and never ends (a file cut short?)", line_));
    }
    std::size_t used = 0;
    bool is_whole = false;
    while (used < ahead.size() && !is_whole) {
      is_whole = scanner.ends_before(ahead[used]);
      if (is_whole) break;
      is_whole = scanner.takes(ahead[used++]);
      if (scanner.is_too_deep()) {
        return Status(Code::kInvalidArgument,
                      fmt::format("line {}: JSON nested deeper than {} levels", line_, kMaxDepth));
      }
    }
    if (value.size() + used > max_record_bytes_) {
      return Status(Code::kResourceExhausted,
                    fmt::format("line {}: a value longer than {} bytes", line_, max_record_bytes_));
    }
    const std::string_view part = ahead.substr(0, used);
    next_line_ += std::ranges::count(part, '\n');
    value += part;
    bytes_.skip(used);
    if (is_whole) return value;
  }
}

Result<std::optional<std::string>> JsonRecords::next_value() {
  PANAL_ASSIGN(char first, look());
  if (kind_ == FileKind::kJsonArray) {
    const bool is_first = !is_inside_array_;
    if (is_after_array_) {
      if (first != 0) return broken("nothing after the array", first);
      return std::optional<std::string>();
    }
    if (first == (is_first ? '[' : ',')) {
      is_inside_array_ = true;
      bytes_.skip(1);
      PANAL_ASSIGN(first, look());
      if (!is_first && first == ']') return broken("a value after the comma", first);
    } else if (is_first || first != ']') {
      return broken(is_first ? "an array" : "a comma or the end of the array", first);
    }
    if (first == ']') {
      is_after_array_ = true;
      bytes_.skip(1);
      return next_value();
    }
    if (first == 0 || first == ',') return broken("a value", first);
  }
  if (first == 0) return std::optional<std::string>();
  if (kind_ == FileKind::kJson && first != '{' && first != '[') return broken("an object", first);
  PANAL_ASSIGN(std::string value, take_value());
  return std::optional(std::move(value));
}

}  // namespace panal::data::detail
