// Walks files and folders. A single named file must be readable; in a folder a file that is not
// text is skipped and reported, because nobody wants an upload of a thousand files refused for one
// picture.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/json.h"
#include "data/document.h"

namespace panal::data {
namespace {

namespace fs = std::filesystem;

std::string shown_bytes(std::int64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.0f} KB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

Result<std::string> read_bytes(const fs::path& path, std::uint64_t max_bytes) {
  std::error_code error;
  const std::uint64_t length = fs::file_size(path, error);
  if (error) {
    return Status(Code::kNotFound,
                  fmt::format("cannot read {}: {}", path.string(), error.message()));
  }
  if (length > max_bytes) {
    return Status(Code::kResourceExhausted,
                  fmt::format("{}: {} bytes, at most {} are read from one file", path.string(),
                              length, max_bytes));
  }
  std::ifstream input(path, std::ios::binary);
  std::string bytes(length, '\0');
  input.read(bytes.data(), static_cast<std::streamsize>(length));
  if (!input.is_open() || input.gcount() != static_cast<std::streamsize>(length)) {
    return Status(Code::kNotFound, fmt::format("cannot read {}: wanted {} bytes, got {}",
                                               path.string(), length, input.gcount()));
  }
  return bytes;
}

class Reader {
 public:
  explicit Reader(const ReadOptions& options) : options_(options) {}

  Status read_path(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      return Status(Code::kNotFound, fmt::format("no such file or folder: {}", path.string()));
    }
    if (fs::is_directory(status)) return read_folder(path);
    if (!fs::is_regular_file(status)) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("{}: expected a file or a folder, found a device or socket", path.string()));
    }
    return is_new(path) ? read_file(path) : Status();
  }

  Result<ReadReport> finish() {
    if (report_.documents.empty()) {
      const std::string why = report_.skipped.empty()
                                  ? std::string()
                                  : fmt::format(" (skipped {}: {})", report_.skipped.front().path,
                                                report_.skipped.front().reason);
      return Status(Code::kInvalidArgument, "found no text: the dataset would be empty" + why);
    }
    return std::move(report_);
  }

 private:
  Status read_folder(const fs::path& folder) {
    std::vector<fs::path> paths;
    PANAL_TRY(list_files(folder, paths));
    std::ranges::sort(paths);
    for (const fs::path& path : paths) {
      if (!is_new(path)) continue;
      const std::size_t before = report_.documents.size();
      const Status status = read_file(path);
      if (status.code() == Code::kInvalidArgument || is_one_file_too_large_) {
        report_.documents.resize(before);
        report_.skipped.push_back({path.string(), reason_of(status, path)});
        is_one_file_too_large_ = false;
      } else if (status.code() == Code::kNotFound) {
        report_.skipped.push_back({path.string(), reason_of(status, path)});
      } else {
        PANAL_TRY(status);
      }
    }
    return Status();
  }

  Status list_files(const fs::path& folder, std::vector<fs::path>& paths) const {
    std::error_code error;
    // Links to folders are not followed: a link to a parent would never end.
    auto entry = fs::recursive_directory_iterator(
        folder, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
      const bool is_hidden = entry->path().filename().string().starts_with('.');
      std::error_code ignored;
      if (is_hidden && entry->is_directory(ignored)) entry.disable_recursion_pending();
      if (is_hidden || !entry->is_regular_file(ignored)) continue;
      if (paths.size() >= options_.max_files) {
        return Status(Code::kResourceExhausted,
                      fmt::format("{}: more than {} files", folder.string(), options_.max_files));
      }
      paths.push_back(entry->path());
    }
    if (error) {
      return Status(Code::kNotFound,
                    fmt::format("cannot list {}: {}", folder.string(), error.message()));
    }
    return Status();
  }

  static std::string reason_of(const Status& status, const fs::path& path) {
    std::string reason = status.message();
    const std::string prefix = path.string() + ": ";
    return reason.starts_with(prefix) ? reason.substr(prefix.size()) : reason;
  }

  bool is_new(const fs::path& path) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    return seen_.insert(error ? path : real).second;
  }

  Status read_file(const fs::path& path) {
    auto bytes = read_bytes(path, options_.max_file_bytes);
    is_one_file_too_large_ = bytes.code() == Code::kResourceExhausted;
    if (!bytes.ok()) return bytes.status();
    PANAL_ASSIGN(const std::string text, normalise_text(*bytes, path.string()));
    const std::size_t before = report_.documents.size();
    if (path.extension() == ".jsonl") {
      PANAL_TRY(add_lines(text, path.string()));
    } else {
      const std::string_view body =
          options_.strip_gutenberg_frame ? without_gutenberg_frame(text) : std::string_view(text);
      PANAL_TRY(add_text(body, path.string()));
    }
    if (report_.documents.size() == before) {
      return Status(Code::kInvalidArgument, path.string() + ": no text in it");
    }
    ++report_.num_files;
    return Status();
  }

  Status add_lines(const std::string& text, const std::string& where) {
    std::istringstream lines(text);
    std::string line;
    for (std::int64_t number = 1; std::getline(lines, line); ++number) {
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      const std::string place = fmt::format("{}, line {}", where, number);
      PANAL_ASSIGN(const Json object, parse_json(line, place));
      PANAL_ASSIGN(const std::string raw, json_string(object, "text", place));
      PANAL_ASSIGN(const std::string body, normalise_text(raw, place));
      std::string source = fmt::format("{}:{}", where, number);
      if (json_has(object, "source")) {
        PANAL_ASSIGN(source, json_string(object, "source", place));
      }
      PANAL_TRY(add_text(body, source));
    }
    return Status();
  }

  Status add_text(std::string_view text, const std::string& source) {
    for (std::string& piece : cut_passages(text, options_.passage_bytes)) {
      report_.text_bytes += static_cast<std::int64_t>(piece.size());
      if (static_cast<std::uint64_t>(report_.text_bytes) > options_.max_total_bytes) {
        return Status(
            Code::kResourceExhausted,
            fmt::format("{}: with it the text is over {} bytes, the most that is read at once",
                        source, options_.max_total_bytes));
      }
      report_.documents.push_back({std::move(piece), source});
    }
    return Status();
  }

  const ReadOptions& options_;
  ReadReport report_;
  std::set<fs::path> seen_;
  bool is_one_file_too_large_ = false;
};

}  // namespace

std::string ReadReport::summary() const {
  std::string text = fmt::format("{} {}, {} {}, {}", num_files, num_files == 1 ? "file" : "files",
                                 documents.size(), documents.size() == 1 ? "passage" : "passages",
                                 shown_bytes(text_bytes));
  constexpr std::size_t kShown = 3;
  for (std::size_t i = 0; i < std::min(kShown, skipped.size()); ++i) {
    text += i == 0 ? fmt::format("; skipped {}: ", skipped.size()) : ", ";
    text += fmt::format("{} ({})", skipped[i].path, skipped[i].reason);
  }
  if (skipped.size() > kShown) text += fmt::format(" and {} more", skipped.size() - kShown);
  return text;
}

Result<ReadReport> read_documents(const fs::path& path, const ReadOptions& options) {
  return read_documents(std::vector<fs::path>{path}, options);
}

Result<ReadReport> read_documents(const std::vector<fs::path>& paths, const ReadOptions& options) {
  if (options.passage_bytes != 0 && options.passage_bytes < 256) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("passage_bytes must be 0 or at least 256, found {}", options.passage_bytes));
  }
  Reader reader(options);
  for (const fs::path& path : paths) PANAL_TRY(reader.read_path(path));
  return reader.finish();
}

}  // namespace panal::data
