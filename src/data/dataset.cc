#include "data/dataset.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/json.h"
#include "data/detail/record.h"

namespace panal::data {
namespace {

Json to_json(const Document& document) {
  Json json = Json::object();
  if (document.is_conversation()) {
    json = Json::parse(document.conversation, nullptr, false);
  } else {
    json["text"] = document.text;
    if (document.reads_special_tokens) json["special_tokens"] = "read";
  }
  json["source"] = document.source;
  return json;
}

}  // namespace

Result<DatasetWriter> DatasetWriter::create(store::FileSystem& files,
                                            const std::filesystem::path& path) {
  PANAL_ASSIGN(store::AtomicFile file, store::AtomicFile::create(files, path));
  return DatasetWriter(path.string(), std::move(file));
}

Status DatasetWriter::write(const Document& document) {
  constexpr std::size_t kPieceBytes = 1 << 20;
  if (first_invalid_utf8(document.text) != std::string_view::npos) {
    return Status(Code::kInvalidArgument, fmt::format("{}: document {} from {} is not UTF-8",
                                                      where_, num_documents_, document.source));
  }
  buffer_ += to_line(to_json(document));
  buffer_ += '\n';
  ++num_documents_;
  if (buffer_.size() < kPieceBytes) return Status();
  PANAL_TRY(file_.write(buffer_));
  buffer_.clear();
  return Status();
}

Status DatasetWriter::finish() {
  if (num_documents_ == 0) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected at least one document to write, found none", where_));
  }
  PANAL_TRY(file_.write(buffer_));
  return file_.commit();
}

Status write_dataset(store::FileSystem& files, const std::filesystem::path& path,
                     std::span<const Document> documents) {
  PANAL_ASSIGN(DatasetWriter writer, DatasetWriter::create(files, path));
  for (const Document& document : documents) PANAL_TRY(writer.write(document));
  return writer.finish();
}

Result<DatasetReader> DatasetReader::open(const std::filesystem::path& path,
                                          std::size_t max_line_bytes) {
  std::error_code error;
  std::ifstream input(path, std::ios::binary);
  if (!std::filesystem::is_regular_file(path, error) || !input) {
    return Status(Code::kNotFound,
                  fmt::format("cannot open the dataset {}: no such file", path.string()));
  }
  return DatasetReader(path.string(), std::move(input), max_line_bytes);
}

Result<std::optional<std::string>> DatasetReader::next_line() {
  std::string line;
  std::streambuf& buffer = *input_.rdbuf();
  constexpr int kEnd = std::char_traits<char>::eof();
  int byte = buffer.sbumpc();
  if (byte == kEnd) return std::optional<std::string>();
  ++line_number_;
  for (; byte != kEnd && byte != '\n'; byte = buffer.sbumpc()) {
    if (line.size() >= max_line_bytes_) {
      return Status(Code::kResourceExhausted, fmt::format("{}, line {}: longer than {} bytes",
                                                          where_, line_number_, max_line_bytes_));
    }
    line += static_cast<char>(byte);
  }
  return std::optional<std::string>(std::move(line));
}

Result<std::optional<Document>> DatasetReader::next() {
  while (true) {
    PANAL_ASSIGN(const std::optional<std::string> line, next_line());
    if (!line) return std::optional<Document>();
    if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = fmt::format("{}, line {}", where_, line_number_);
    PANAL_ASSIGN(const Json object, parse_json(*line, place));
    PANAL_ASSIGN(Document document, detail::read_record(object, "", place));
    return std::optional<Document>(std::move(document));
  }
}

Result<std::vector<Document>> read_dataset(const std::filesystem::path& path,
                                           std::uint64_t max_bytes) {
  PANAL_ASSIGN(DatasetReader reader, DatasetReader::open(path));
  std::vector<Document> documents;
  std::uint64_t total_bytes = 0;
  while (true) {
    PANAL_ASSIGN(std::optional<Document> document, reader.next());
    if (!document) break;
    total_bytes += document->text.size() + document->conversation.size() + document->source.size();
    if (total_bytes > max_bytes) {
      return Status(Code::kResourceExhausted,
                    fmt::format("{}: the text is over {} bytes", path.string(), max_bytes));
    }
    documents.push_back(std::move(*document));
  }
  if (documents.empty()) {
    return Status(Code::kInvalidArgument, path.string() + ": the dataset is empty");
  }
  return documents;
}

std::string dataset_sha256(std::span<const Document> documents) {
  Sha256 hash;
  for (const Document& document : documents) {
    // The lengths keep ("ab", "c") and ("a", "bc") apart.
    hash.update(fmt::format("{} {}\n", document.text.size(), document.source.size()));
    hash.update(document.text);
    hash.update(document.source);
    // Nothing of these in the hash of a plain text: it keeps the name that it always had.
    if (document.is_conversation()) {
      hash.update(fmt::format("\nconversation {}\n", document.conversation.size()));
      hash.update(document.conversation);
    }
    if (document.reads_special_tokens) hash.update("\nspecial tokens\n");
  }
  return hash.hex();
}

Result<Split> split_documents(std::span<const Document> documents, const SplitOptions& options) {
  if (documents.empty())
    return Status(Code::kInvalidArgument, "cannot split a dataset without documents");
  if (!(options.validation_fraction >= 0 && options.validation_fraction <= 0.5)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("validation_fraction must be from 0 to 0.5, found {}",
                              options.validation_fraction));
  }
  // Each group's place in [0, 1): groups under the fraction are for validation. Equal texts share a
  // place.
  std::vector<double> places;
  for (const Document& document : documents) {
    const std::string_view key =
        options.by == SplitBy::kSource
            ? std::string_view(document.source).substr(0, document.source.rfind('#'))
            : std::string_view(document.text);
    const std::uint64_t hash = xxh3_64(options.salt + '\n' + std::string(key));
    places.push_back(static_cast<double>(hash >> 11) * 0x1.0p-53);
  }
  double border = options.validation_fraction;
  const auto [lowest, highest] = std::ranges::minmax(places);
  if (lowest == highest) {
    border = 0;  // Nothing to divide, and without training text nothing could be learnt.
  } else if (border > 0) {
    if (lowest >= border) border = std::nextafter(lowest, 1.0);
    if (highest < border) border = highest;
  }
  Split split;
  for (std::size_t i = 0; i < places.size(); ++i) {
    (places[i] < border ? split.validation : split.training).push_back(i);
  }
  return split;
}

}  // namespace panal::data
