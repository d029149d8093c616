// Walks files and folders. A named file must be readable; in a folder a file that is not text is
// left out and named, because nobody wants an upload of a thousand files refused for one picture.
#include "data/document_reader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "data/detail/byte_source.h"
#include "data/detail/read_file.h"

namespace panal::data {
namespace {

namespace fs = std::filesystem;

std::string shown_bytes(std::int64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.0f} KB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string counted(std::int64_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

Status cannot_read(const fs::path& path, std::string_view reason) {
  return Status(Code::kNotFound, fmt::format("cannot read {}: {}", path.string(), reason));
}

// What a path leads to, whatever it is called: links of any kind give the same.
using Identity = std::pair<dev_t, ino_t>;

class Reader {
 public:
  Reader(const ReadOptions& options, const DocumentSink& sink) : options_(options), sink_(sink) {}

  Status read_path(const fs::path& path) {
    if (path == detail::kStandardInput) {
      if (!std::exchange(has_read_input_, true)) return read_named("standard input", path);
      return leave_out("standard input", "named twice");
    }
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) {
      if (errno == ENOENT && !fs::is_symlink(path)) {
        return Status(Code::kNotFound, fmt::format("no such file or folder: {}", path.string()));
      }
      return cannot_read(path, errno == ENOENT ? "a link to nothing" : std::strerror(errno));
    }
    if (S_ISSOCK(found.st_mode)) {
      return Status(Code::kInvalidArgument,
                    path.string() + ": expected a file, folder or pipe, found a socket");
    }
    if (S_ISDIR(found.st_mode)) return read_folder(path, identity_of(found), true);
    // Only of files: each opening of a pipe gives something new.
    if (S_ISREG(found.st_mode) && !is_new(path, identity_of(found))) return Status();
    return read_named(path.string(), path);
  }

  Result<ReadReport> finish() {
    if (report_.num_documents == 0) {
      const std::string why = report_.skipped.empty()
                                  ? std::string()
                                  : fmt::format(" (left out {}: {})", report_.skipped.front().path,
                                                report_.skipped.front().reason);
      return Status(Code::kInvalidArgument, "found no text: the dataset would be empty" + why);
    }
    return std::move(report_);
  }

 private:
  static Identity identity_of(const struct stat& found) { return {found.st_dev, found.st_ino}; }

  Status leave_out(const fs::path& path, std::string reason) {
    report_.skipped.push_back({path.string(), std::move(reason)});
    return Status();
  }

  // False, and named, when the same thing was reached before.
  bool is_new(const fs::path& path, const Identity& identity) {
    const auto [entry, is_first] = seen_.emplace(identity, path);
    if (!is_first) {
      (void)leave_out(path, fmt::format("the same as {}, which is read", entry->second.string()));
    }
    return is_first;
  }

  Status read_folder(const fs::path& folder, const Identity& identity, bool is_named) {
    if (!is_new(folder, identity)) return Status();
    std::error_code error;
    std::vector<fs::path> entries;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      entries.push_back(entry->path());
      if (entries.size() > options_.max_files) return too_many_files(folder);
    }
    if (error) {
      const Status status = cannot_read(folder, error.message());
      return is_named ? status : leave_out(folder, error.message());
    }
    std::ranges::sort(entries);
    for (const fs::path& entry : entries) PANAL_TRY(read_entry(entry));
    return Status();
  }

  Status too_many_files(const fs::path& where) const {
    return Status(Code::kResourceExhausted,
                  fmt::format("{}: more than {} files", where.string(), options_.max_files));
  }

  Status read_entry(const fs::path& path) {
    if (path.filename().string().starts_with('.')) return leave_out(path, "hidden");
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) {
      return leave_out(path, errno == ENOENT ? "a link to nothing" : std::strerror(errno));
    }
    if (S_ISDIR(found.st_mode)) return read_folder(path, identity_of(found), false);
    if (!S_ISREG(found.st_mode)) return leave_out(path, "a device, pipe or socket");
    if (!is_new(path, identity_of(found))) return Status();
    if (++num_entries_ > options_.max_files) return too_many_files(path);
    detail::FileReading reading;
    const Status status = read(path, reading);
    if (!fatal_.ok()) return fatal_;
    note(path, reading);
    if (status.ok()) return Status();
    const std::string kept = reading.documents == 0
                                 ? ""
                                 : fmt::format("; what stands before it was read: {}",
                                               counted(reading.documents, "document"));
    return leave_out(path, status.message() + kept);
  }

  Status read_named(const std::string& name, const fs::path& path) {
    detail::FileReading reading;
    const Status status = read(path, reading);
    if (!fatal_.ok()) return fatal_;
    note(name, reading);
    if (status.ok()) return Status();
    if (status.code() == Code::kNotFound) return cannot_read(name, status.message());
    const bool is_line = status.message().starts_with("line ");
    return Status(status.code(),
                  fmt::format("{}{} {}", name, is_line ? "," : ":", status.message()));
  }

  Status read(const fs::path& path, detail::FileReading& reading) {
    return detail::read_file(
        path, options_, [&](Document document) { return take(std::move(document)); }, reading);
  }

  // What goes wrong here is not the file's fault and ends everything.
  Status take(Document document) {
    report_.text_bytes += static_cast<std::int64_t>(document.text.size());
    if (static_cast<std::uint64_t>(report_.text_bytes) > options_.max_total_bytes) {
      fatal_ = Status(Code::kResourceExhausted,
                      fmt::format("{}: with it the text is over {} bytes, the most that is read",
                                  document.source, options_.max_total_bytes));
      return fatal_;
    }
    ++report_.num_documents;
    report_.num_conversations += document.is_conversation() ? 1 : 0;
    fatal_ = sink_(std::move(document));
    return fatal_;
  }

  void note(const fs::path& path, const detail::FileReading& reading) {
    if (reading.blank_records > 0) {
      (void)leave_out(path, fmt::format("{} of {} have no text", reading.blank_records,
                                        counted(reading.records, "record")));
    }
    if (reading.documents == 0) return;
    ++report_.num_files;
    auto kind = std::ranges::find(report_.kinds, reading.kind, &ReadKind::kind);
    if (kind == report_.kinds.end()) {
      kind = report_.kinds.insert(kind, ReadKind{.kind = reading.kind});
    }
    ++kind->files;
    kind->documents += reading.documents;
  }

  const ReadOptions& options_;
  const DocumentSink& sink_;
  ReadReport report_;
  Status fatal_;
  std::map<Identity, fs::path> seen_;
  std::size_t num_entries_ = 0;
  bool has_read_input_ = false;
};

}  // namespace

std::string ReadReport::summary() const {
  std::string text = counted(num_files, "file") + ": ";
  for (const ReadKind& kind : kinds) {
    if (&kind != kinds.data()) text += ", ";
    text += fmt::format("{} {} ({})", kind.files, kind.kind, counted(kind.documents, "document"));
  }
  if (num_conversations > 0)
    text += fmt::format(", {}", counted(num_conversations, "conversation"));
  text += ", " + shown_bytes(text_bytes);
  constexpr std::size_t kShown = 3;
  for (std::size_t i = 0; i < std::min(kShown, skipped.size()); ++i) {
    text += i == 0 ? fmt::format("; left out {}: ", skipped.size()) : ", ";
    text += fmt::format("{} ({})", skipped[i].path, skipped[i].reason);
  }
  if (skipped.size() > kShown) text += fmt::format(" and {} more", skipped.size() - kShown);
  return text;
}

Json ReadReport::to_json() const {
  Json json = {{"files", num_files},
               {"documents", num_documents},
               {"conversations", num_conversations},
               {"text_bytes", text_bytes},
               {"read", Json::array()},
               {"skipped", Json::array()}};
  for (const ReadKind& kind : kinds) {
    json["read"].push_back(
        {{"kind", kind.kind}, {"files", kind.files}, {"documents", kind.documents}});
  }
  for (const SkippedFile& file : skipped) {
    json["skipped"].push_back({{"path", file.path}, {"reason", file.reason}});
  }
  return json;
}

Result<ReadReport> read_documents(const std::vector<fs::path>& paths, const ReadOptions& options,
                                  const DocumentSink& sink) {
  if (options.passage_bytes != 0 && options.passage_bytes < 256) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("passage_bytes must be 0 or at least 256, found {}", options.passage_bytes));
  }
  Reader reader(options, sink);
  for (const fs::path& path : paths) PANAL_TRY(reader.read_path(path));
  return reader.finish();
}

Result<ReadReport> read_documents(const std::vector<fs::path>& paths, const ReadOptions& options) {
  std::vector<Document> documents;
  PANAL_ASSIGN(ReadReport report, read_documents(paths, options, [&](Document document) {
                 documents.push_back(std::move(document));
                 return Status();
               }));
  report.documents = std::move(documents);
  return report;
}

Result<ReadReport> read_documents(const fs::path& path, const ReadOptions& options) {
  return read_documents(std::vector<fs::path>{path}, options);
}

}  // namespace panal::data
