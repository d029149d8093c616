// Text comes in as files, folders, pipes, JSON and tables from anybody's machine, packed or not; it
// leaves here as documents. The content decides how a file is read, not its suffix, and what is not
// read is counted and named with its reason, never dropped in silence.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/document.h"

namespace panal::data {

struct ReadOptions {
  /// Longer texts are cut as cut_passages() says. 0, or at least 256.
  std::int64_t passage_bytes = 4096;
  /// Drop what stands before "*** START OF ..." and after "*** END OF ..." of a Project Gutenberg
  /// file.
  bool strip_gutenberg_frame = true;
  /// The member or column that holds the text, instead of those known by name.
  std::string text_column = {};
  /// Of plain texts that do not say it themselves: Document::reads_special_tokens.
  bool reads_special_tokens = false;
  std::uint64_t max_file_bytes = 512ULL << 20;   // Of a plain text, unpacked: it is held whole.
  std::uint64_t max_record_bytes = 64ULL << 20;  // Of one line, value or row.
  std::uint64_t max_total_bytes = 4ULL << 30;    // Of all texts together.
  std::size_t max_files = 200'000;
};

struct SkippedFile {
  std::string path;
  std::string reason;
};

/// Files of one kind: "text", "JSON lines", "JSON array", "JSON" or "table", with " (gzip)" or
/// " (zstd)" behind it.
struct ReadKind {
  std::string kind;
  std::int64_t files = 0;
  std::int64_t documents = 0;  // Passages of text and conversations.
};

struct ReadReport {
  std::vector<Document> documents;     // In the order of the sorted paths; empty with a sink.
  std::int64_t num_files = 0;          // Files that gave at least one document.
  std::int64_t num_documents = 0;      // That they gave.
  std::int64_t num_conversations = 0;  // Of those.
  std::int64_t text_bytes = 0;         // Sum of the documents' lengths.
  std::vector<ReadKind> kinds;         // In the order in which they were met.
  /// What was left out, with the reason: files and folders, and blank records of a file.
  std::vector<SkippedFile> skipped;

  /// "3 files: 2 JSON lines (120 documents), 1 text (14 documents), 1.3 MB; left out 1: x.png
  /// (binary: a PNG picture)"
  std::string summary() const;
  /// {"files", "documents", "conversations", "text_bytes", "read": [{"kind", "files",
  /// "documents"}], "skipped": [{"path", "reason"}]}.
  Json to_json() const;
};

/// Takes documents one by one; an error ends the reading.
using DocumentSink = std::function<Status(Document)>;

/// Reads files, pipes and folders with all below them in sorted order, one path after the other;
/// "-" is standard input. Symbolic links are followed. A file or folder reached twice, by whatever
/// names, is read once, hidden ones are not, and both are named among what was left out.
///
/// A file is JSON lines, a JSON array or JSON values (of the forms in docs/formats.md: texts and
/// conversations), a table with a header and separators ',', tab, ';' or '|', or else plain text;
/// packed by gzip or zstd or not.
///
/// Errors   kNotFound, kUnavailable: a named path is not there or cannot be read, with the reason.
///          kInvalidArgument: a named file that is not text, or breaks in a record (with its line),
///          or no text at all in what was named. kResourceExhausted: over a bound of the options.
///          In a folder, what is wrong with one file leaves that file out, from its first bad
///          record on.
/// Memory   one record, or one plain text; and the documents, where no sink takes them.
Result<ReadReport> read_documents(const std::vector<std::filesystem::path>& paths,
                                  const ReadOptions& options, const DocumentSink& sink);
Result<ReadReport> read_documents(const std::vector<std::filesystem::path>& paths,
                                  const ReadOptions& options = {});
Result<ReadReport> read_documents(const std::filesystem::path& path,
                                  const ReadOptions& options = {});

}  // namespace panal::data
