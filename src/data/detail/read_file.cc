#include "data/detail/read_file.h"

#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "data/detail/byte_source.h"
#include "data/detail/csv_records.h"
#include "data/detail/file_kind.h"
#include "data/detail/json_records.h"
#include "data/detail/record.h"

namespace panal::data::detail {
namespace {

std::string_view kind_name(FileKind kind) {
  switch (kind) {
    case FileKind::kText:
      return "text";
    case FileKind::kJsonLines:
      return "JSON lines";
    case FileKind::kJsonArray:
      return "JSON array";
    case FileKind::kJson:
      return "JSON";
    case FileKind::kTable:
      return "table";
  }
  return "";
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\r\f\v") == std::string_view::npos;
}

class FileReader {
 public:
  FileReader(const std::filesystem::path& path, const ReadOptions& options,
             const DocumentSink& sink, FileReading& reading)
      : path_(path == kStandardInput ? "standard input" : path.string()),
        options_(options),
        sink_(sink),
        reading_(reading) {}

  Status read(std::unique_ptr<ByteSource> source) {
    BufferedBytes bytes(std::move(source));
    PANAL_ASSIGN(std::string_view beginning, bytes.peek(kBeginningBytes));
    const Packed packed = packed_as(beginning);
    if (packed == Packed::kNot) return read_plain(bytes, "");
    std::string taken;
    auto rest = bytes.take(taken);
    BufferedBytes plain(unpacked(std::move(rest), std::move(taken), packed));
    return read_plain(plain, fmt::format(" ({})", packed_name(packed)));
  }

 private:
  Status read_plain(BufferedBytes& bytes, std::string_view packed) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    PANAL_ASSIGN(std::string_view beginning, bytes.peek(kBeginningBytes));
    if (beginning.starts_with(kByteOrderMark)) {
      bytes.skip(kByteOrderMark.size());
      beginning.remove_prefix(kByteOrderMark.size());
    }
    if (beginning.empty()) return Status(Code::kInvalidArgument, "empty: there is no text in it");
    const Beginning first{.bytes = beginning.substr(0, kBeginningBytes),
                          .is_whole = beginning.size() < kBeginningBytes,
                          .name = path_,
                          .text_column = options_.text_column};
    PANAL_ASSIGN(const FileKind kind, recognise(first));
    reading_.kind = fmt::format("{}{}", kind_name(kind), packed);
    if (kind == FileKind::kText) return read_text(bytes);
    if (kind == FileKind::kTable) {
      const char separator = table_separator(first.bytes, first.is_whole)
                                 .value_or(telling_suffix(path_) == ".tsv" ? '\t' : ',');
      return read_table(bytes, separator);
    }
    return read_json(bytes, kind);
  }

  Status give(Document document) {
    PANAL_TRY(sink_(std::move(document)));
    ++reading_.documents;
    return Status();
  }

  Status give_pieces(std::string_view text, const Document& of) {
    for (std::string& piece : cut_passages(text, options_.passage_bytes)) {
      PANAL_TRY(give({.text = std::move(piece),
                      .source = of.source,
                      .reads_special_tokens = of.reads_special_tokens}));
    }
    return Status();
  }

  Status read_text(BufferedBytes& bytes) {
    std::string raw;
    while (true) {
      PANAL_ASSIGN(const std::string_view more, bytes.peek(1));
      if (more.empty()) break;
      if (raw.size() + more.size() > options_.max_file_bytes) {
        return Status(Code::kResourceExhausted,
                      fmt::format("over {} bytes, the most that is read of one text",
                                  options_.max_file_bytes));
      }
      raw += more;
      bytes.skip(more.size());
    }
    auto text = normalise_text(raw, "");
    if (!text.ok()) {
      return Status(text.code(), text.status().message().substr(std::string_view(": ").size()));
    }
    const std::string_view body =
        options_.strip_gutenberg_frame ? without_gutenberg_frame(*text) : std::string_view(*text);
    PANAL_TRY(give_pieces(
        body, {.source = path_, .reads_special_tokens = options_.reads_special_tokens}));
    if (reading_.documents > 0) return Status();
    return Status(Code::kInvalidArgument, "blank: there is no text in it");
  }

  Status take_record(const Json& record, std::int64_t line) {
    const std::string place = fmt::format("line {}", line);
    PANAL_ASSIGN(Document document, read_record(record, options_.text_column, place));
    if (document.source.empty()) document.source = fmt::format("{}:{}", path_, line);
    ++reading_.records;
    if (is_blank(document.text) && !has_tool_calls(document)) {
      ++reading_.blank_records;
      return Status();
    }
    if (document.is_conversation()) return give(std::move(document));
    const bool says_itself = record.is_object() && record.contains("special_tokens");
    if (!says_itself) document.reads_special_tokens = options_.reads_special_tokens;
    return give_pieces(document.text, document);
  }

  static bool has_tool_calls(const Document& document) {
    return document.conversation.find("\"tool_calls\"") != std::string::npos;
  }

  Status read_json(BufferedBytes& bytes, FileKind kind) {
    JsonRecords records(bytes, kind, options_.max_record_bytes);
    while (true) {
      PANAL_ASSIGN(const std::optional<std::string> text, records.next());
      if (!text) break;
      const std::string place = fmt::format("line {}", records.line());
      PANAL_ASSIGN(const Json record, parse_json(*text, place));
      PANAL_TRY(take_record(record, records.line()));
    }
    return check_found();
  }

  Status read_table(BufferedBytes& bytes, char separator) {
    CsvReader rows(bytes, separator, options_.max_record_bytes);
    PANAL_ASSIGN(const auto header, rows.next());
    if (!header) return Status(Code::kInvalidArgument, "a table without a header");
    PANAL_TRY(check_columns(*header, options_.text_column));
    while (true) {
      PANAL_ASSIGN(const auto row, rows.next());
      if (!row) break;
      if (row->size() != header->size()) {
        return Status(Code::kInvalidArgument,
                      fmt::format("line {}: expected {} fields as in the header, found {} (a "
                                  "field with separators or line ends needs quotes)",
                                  rows.line(), header->size(), row->size()));
      }
      Json record = Json::object();
      for (std::size_t i = 0; i < row->size(); ++i) record[(*header)[i]] = (*row)[i];
      PANAL_TRY(take_record(record, rows.line()));
    }
    return check_found();
  }

  Status check_found() const {
    if (reading_.documents > 0) return Status();
    return Status(Code::kInvalidArgument,
                  fmt::format("{} with no text in {} records", reading_.kind, reading_.records));
  }

  const std::string path_;
  const ReadOptions& options_;
  const DocumentSink& sink_;
  FileReading& reading_;
};

}  // namespace

Status read_file(const std::filesystem::path& path, const ReadOptions& options,
                 const DocumentSink& sink, FileReading& reading) {
  PANAL_ASSIGN(auto source, open_file(path));
  return FileReader(path, options, sink, reading).read(std::move(source));
}

}  // namespace panal::data::detail
