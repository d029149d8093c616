#include "data/detail/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

namespace panal::data::detail {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

Status refuse(std::string message) { return Status(Code::kInvalidArgument, std::move(message)); }

struct Signature {
  std::string_view bytes;
  std::size_t at;
  std::string_view what;
};

// Formats that people keep beside text. What is not here is still refused for its NUL bytes.
constexpr std::array<Signature, 12> kSignatures = {
    {{"\x89PNG", 0, "a PNG picture"},
     {"\xFF\xD8\xFF", 0, "a JPEG picture"},
     {"GIF8", 0, "a GIF picture"},
     {"%PDF-", 0, "a PDF; its text must be taken out of it first"},
     {"PK\x03\x04", 0, "a ZIP archive (also .docx, .xlsx, .epub); unpack it first"},
     {"PAR1", 0, "a Parquet file; write it as JSON lines first"},
     {"ARROW1", 0, "an Arrow file; write it as JSON lines first"},
     {"BZh", 0, "packed by bzip2; unpack it, or pack it by gzip or zstd"},
     {"\xFD"
      "7zXZ",
      0, "packed by xz; unpack it, or pack it by gzip or zstd"},
     {"ustar", 257, "a tar archive; unpack it first"},
     {"GGUF", 0, "a GGUF model"},
     {"SQLite format 3", 0, "an SQLite database"}}};

Status refuse_what_is_not_text(const Beginning& beginning) {
  const std::string_view bytes = beginning.bytes;
  if (bytes.starts_with("version https://git-lfs.github.com/spec/")) {
    return refuse("a Git LFS pointer, not the file itself: get it with \"git lfs pull\"");
  }
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
    return refuse("UTF-16 text: convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)");
  }
  const std::size_t nul = bytes.find('\0');
  for (const Signature& known : kSignatures) {
    if (bytes.size() < known.at || !bytes.substr(known.at).starts_with(known.bytes)) continue;
    // Letters alone may begin a text as well: "BZh" needs more to be believed.
    const bool is_letters = std::ranges::all_of(
        known.bytes, [](unsigned char byte) { return byte >= ' ' && byte < 0x7F; });
    if (!is_letters || nul != std::string_view::npos || known.bytes[0] == '%') {
      return refuse(fmt::format("binary: {}", known.what));
    }
  }
  if (nul == std::string_view::npos) return Status();
  return refuse(fmt::format("binary: expected UTF-8 text, found a NUL byte at offset {}", nul));
}

// Whether a text is JSON as far as it goes: it is all there and right, or breaks only where it was
// cut. The values themselves are not kept.
struct JsonPrefix {
  bool is_right = false;
  bool is_whole = false;
};

JsonPrefix json_prefix(std::string_view text) {
  struct Ignore : nlohmann::json_sax<nlohmann::json> {
    std::size_t broke_at = 0;
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool key(string_t&) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception&) override {
      broke_at = position;
      return false;
    }
  } events;
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &events)) {
    return {.is_right = true, .is_whole = true};
  }
  return {.is_right = events.broke_at > text.size(), .is_whole = false};
}

// {"name": or [{" or [[: what prose does not begin with, but broken JSON does.
bool looks_like_json(std::string_view text) {
  const auto next = [&](std::size_t at) { return text.find_first_not_of(kSpace, at); };
  std::size_t at = next(0);
  const bool is_array = text[at] == '[';
  if (is_array) at = next(at + 1);
  if (at == std::string_view::npos || text[at] != '{') return false;
  at = next(at + 1);
  if (at == std::string_view::npos || text[at] != '"') return false;
  const std::size_t end = text.find('"', at + 1);
  if (end == std::string_view::npos) return false;
  at = next(end + 1);
  return at != std::string_view::npos && text[at] == ':';
}

std::optional<FileKind> json_kind(const Beginning& beginning) {
  const std::string_view text = beginning.bytes;
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return {};
  const std::string_view body = text.substr(first);
  const std::size_t line_end = body.find('\n');
  const std::string_view line = body.substr(0, line_end);
  const JsonPrefix of_line = json_prefix(line);
  const bool goes_on =
      line_end != std::string_view::npos &&
      (!beginning.is_whole || body.find_first_not_of(kSpace, line_end) != std::string_view::npos);
  const bool is_array = body[0] == '[';
  // A whole value in the first line: one of many lines, or all there is. "[1]" may begin a text.
  if (of_line.is_whole && !is_array) return FileKind::kJsonLines;
  if (of_line.is_whole && !goes_on) return FileKind::kJsonArray;
  if (of_line.is_whole && looks_like_json(line)) return FileKind::kJsonLines;
  const JsonPrefix all = json_prefix(body);
  if (line_end == std::string_view::npos && all.is_right) {
    return is_array ? FileKind::kJsonArray : FileKind::kJsonLines;  // One huge line.
  }
  if (all.is_whole || all.is_right) return is_array ? FileKind::kJsonArray : FileKind::kJson;
  if (!looks_like_json(body)) return {};
  // Broken JSON, or values of several lines each: the reader will say which line.
  return is_array                                   ? FileKind::kJsonArray
         : line.find('}') == std::string_view::npos ? FileKind::kJson
                                                    : FileKind::kJsonLines;
}

// Fields of the first lines; what is not whole is left out.
std::vector<std::vector<std::string>> first_records(std::string_view text, bool is_whole,
                                                    char separator) {
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> fields(1);
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size() && records.size() < 20; ++i) {
    const char byte = text[i];
    if (byte == '"' && (is_quoted || fields.back().empty())) {
      const bool is_doubled = is_quoted && i + 1 < text.size() && text[i + 1] == '"';
      if (is_doubled) {
        fields.back() += text[i++];
      } else {
        is_quoted = !is_quoted;
      }
      continue;
    }
    if (is_quoted) {
      fields.back() += byte;
    } else if (byte == separator) {
      fields.emplace_back();
    } else if (byte == '\n') {
      if (fields.size() > 1 || !fields[0].empty()) records.push_back(std::move(fields));
      fields.assign(1, {});
    } else if (byte != '\r') {
      fields.back() += byte;
    }
  }
  if (is_whole && !is_quoted && (fields.size() > 1 || !fields[0].empty())) {
    records.push_back(std::move(fields));
  }
  return records;
}

bool is_header(const std::vector<std::string>& names) {
  std::vector<std::string> sorted = names;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) return false;
  return std::ranges::all_of(names, [](const std::string& name) {
    return !name.empty() && name.size() <= 64 && name.find_first_of(".!?\t") == std::string::npos &&
           name.find_first_not_of(" ") != std::string::npos;
  });
}

// Columns that say by themselves that this is a table of texts: what a sentence with commas in it
// does not have.
bool has_known_column(const std::vector<std::string>& names, std::string_view wanted) {
  constexpr std::array<std::string_view, 6> kKnown = {
      "text", "messages", "conversations", "conversation", "instruction", "content"};
  return std::ranges::any_of(names, [&](const std::string& name) {
    return (!wanted.empty() && name == wanted) || std::ranges::count(kKnown, name) > 0;
  });
}

}  // namespace

std::string telling_suffix(std::string_view name) {
  std::string lower(
      name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1));
  std::ranges::transform(lower, lower.begin(), [](unsigned char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : static_cast<char>(byte);
  });
  for (const std::string_view packed : {".gz", ".gzip", ".zst", ".zstd"}) {
    if (!lower.ends_with(packed)) continue;
    lower.erase(lower.size() - packed.size());
    break;
  }
  const std::size_t dot = lower.rfind('.');
  return dot == std::string::npos || dot == 0 ? std::string() : lower.substr(dot);
}

std::optional<char> table_separator(std::string_view beginning, bool is_whole) {
  std::optional<char> found;
  std::size_t most = 1;
  for (const char separator : {',', '\t', ';', '|'}) {
    const auto records = first_records(beginning, is_whole, separator);
    if (records.empty() || records[0].size() <= most || !is_header(records[0])) continue;
    const bool is_even = std::ranges::all_of(
        records, [&](const auto& record) { return record.size() == records[0].size(); });
    if (!is_even) continue;
    most = records[0].size();
    found = separator;
  }
  return found;
}

Result<FileKind> recognise(const Beginning& beginning) {
  PANAL_TRY(refuse_what_is_not_text(beginning));
  if (const auto json = json_kind(beginning)) return *json;
  const std::string suffix = telling_suffix(beginning.name);
  if (suffix == ".json" || suffix == ".jsonl" || suffix == ".ndjson") {
    return refuse(fmt::format("its name says {}, but line 1 is not JSON", suffix));
  }
  const std::string_view line = beginning.bytes.substr(0, beginning.bytes.find('\n'));
  const bool claims_table = suffix == ".csv" || suffix == ".tsv";
  const auto separator = table_separator(beginning.bytes, beginning.is_whole);
  if (separator) {
    const auto header = first_records(std::string(line) + '\n', true, *separator);
    if (claims_table || has_known_column(header[0], beginning.text_column)) {
      return FileKind::kTable;
    }
  }
  return claims_table ? FileKind::kTable : FileKind::kText;
}

}  // namespace panal::data::detail
