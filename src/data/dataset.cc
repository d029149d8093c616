#include "data/dataset.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/json.h"

namespace panal::data {

Status write_dataset(store::FileSystem& files, const std::filesystem::path& path,
                     std::span<const Document> documents) {
  if (documents.empty()) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: expected at least one document to write, found none", path.string()));
  }
  std::string bytes;
  for (const Document& document : documents) {
    if (first_invalid_utf8(document.text) != std::string_view::npos) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: document {} from {} is not UTF-8", path.string(),
                                &document - documents.data(), document.source));
    }
    bytes += to_line(Json{{"text", document.text}, {"source", document.source}});
    bytes += '\n';
  }
  return store::write_file_atomically(files, path, bytes);
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
    Document document;
    PANAL_ASSIGN(document.text, json_string(object, "text", place));
    if (json_has(object, "source")) {
      PANAL_ASSIGN(document.source, json_string(object, "source", place));
    }
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
    total_bytes += document->text.size() + document->source.size();
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
