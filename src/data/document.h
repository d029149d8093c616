// Text comes in as files, folders and JSONL from anybody's machine; it leaves here as documents:
// valid UTF-8 without byte-order mark, with LF line ends, of a length a model can learn from. What
// cannot be read is named, never dropped in silence.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace panal::data {

/// A passage of text. `source` says where it came from (a path, a JSONL line) and is for people and
/// lineage only: nothing learns from it.
struct Document {
  std::string text;
  std::string source;
  bool operator==(const Document&) const = default;
};

struct ReadOptions {
  /// Longer texts are cut near this many bytes at a paragraph end, else a line end, else a space,
  /// never inside a character. 0 keeps each text whole. Otherwise at least 256.
  std::int64_t passage_bytes = 4096;
  /// Drop what stands before "*** START OF ..." and after "*** END OF ..." of a Project Gutenberg
  /// file.
  bool strip_gutenberg_frame = true;
  std::uint64_t max_file_bytes = 512ULL << 20;
  std::uint64_t max_total_bytes = 4ULL << 30;
  std::size_t max_files = 200'000;
};

struct SkippedFile {
  std::string path;
  std::string reason;
};

struct ReadReport {
  std::vector<Document> documents;  // In the order of the sorted paths.
  std::int64_t num_files = 0;       // Files that gave at least one document.
  std::int64_t text_bytes = 0;      // Sum of the documents' lengths.
  std::vector<SkippedFile>
      skipped;  // Of a folder: binary, empty or too large files, with the reason.
  /// "12 files, 340 passages, 1.3 MB; skipped 2: a.png (NUL byte at offset 4), ..."
  std::string summary() const;
};

/// Reads a file, or a folder with all below it in sorted order. A file reached twice (by a symbolic
/// link) is read once; hidden files and links that leave nothing to read are passed over. *.jsonl
/// files hold one object per line with a string "text" (and perhaps "source"); every other file is
/// text.
///
/// Errors   kNotFound: no such path. kInvalidArgument: a single file that is binary, not UTF-8, or
/// a JSONL line
///          that is not as described (with file and offset or line), or no text at all in what was
///          named. kResourceExhausted: over max_file_bytes (single file), max_total_bytes or
///          max_files.
/// Memory   the text itself plus the largest file.
Result<ReadReport> read_documents(const std::filesystem::path& path,
                                  const ReadOptions& options = {});
/// The same for several paths, one after the other; a file that two of them reach is read once.
Result<ReadReport> read_documents(const std::vector<std::filesystem::path>& paths,
                                  const ReadOptions& options = {});

/// Byte-order mark dropped, CRLF and lone CR turned into LF. Errors: kInvalidArgument naming
/// `where` and the offset of the first NUL byte or of the first byte that is not UTF-8 (overlong
/// forms, surrogates and code points over U+10FFFF included).
Result<std::string> normalise_text(std::string_view bytes, std::string_view where);

/// The text between the marks of a Project Gutenberg file, or all of it when the marks are not
/// there.
std::string_view without_gutenberg_frame(std::string_view text);

/// Cuts text as ReadOptions::passage_bytes says. Each piece is at most 1.5 * passage_bytes long; a
/// last piece under a quarter of it joins the one before; pieces of only white space are dropped.
std::vector<std::string> cut_passages(std::string_view text, std::int64_t passage_bytes);

/// The same of each document in place; the pieces keep their document's source.
void cut_documents(std::vector<Document>& documents, std::int64_t passage_bytes);

}  // namespace panal::data
