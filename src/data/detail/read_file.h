// One file, pipe or standard input, from its first byte to documents.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "data/document_reader.h"

namespace panal::data::detail {

struct FileReading {
  std::string kind;                // ReadKind::kind, once the first bytes told it.
  std::int64_t documents = 0;      // Given to the sink.
  std::int64_t records = 0;        // Of JSON and tables.
  std::int64_t blank_records = 0;  // Of those, without any text.
};

/// Gives the documents of `path` ("-": standard input) to `sink`, cut as the options say. `reading`
/// says how far it came, also after an error, which may be one of the sink's. Messages do not begin
/// with the path; those of records begin with their line.
Status read_file(const std::filesystem::path& path, const ReadOptions& options,
                 const DocumentSink& sink, FileReading& reading);

}  // namespace panal::data::detail
