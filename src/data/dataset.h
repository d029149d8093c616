// A dataset at rest is JSONL, one text {"text", "source"} or conversation {"messages", "source"}
// per line: readable by every tool, streamed without holding it whole, and named by a hash of its
// content. The split into training and validation depends only on the text, so that it survives
// reordering and additions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/document.h"
#include "store/file_system.h"

namespace panal::data {

/// Writes documents as JSONL one by one; without finish() nothing appears. Errors:
/// kInvalidArgument for a document that is not UTF-8, and at the end for none at all; whatever the
/// file system says.
class DatasetWriter {
 public:
  static Result<DatasetWriter> create(store::FileSystem& files, const std::filesystem::path& path);
  Status write(const Document& document);
  /// The dataset stands under its name. Call once, last.
  Status finish();

 private:
  DatasetWriter(std::string where, store::AtomicFile file)
      : where_(std::move(where)), file_(std::move(file)) {}

  std::string where_;
  store::AtomicFile file_;
  std::string buffer_;
  std::int64_t num_documents_ = 0;
};

/// The same at once.
Status write_dataset(store::FileSystem& files, const std::filesystem::path& path,
                     std::span<const Document> documents);

/// Streams a JSONL dataset, one document at a time, holding one line in memory. One thread.
class DatasetReader {
 public:
  /// Lines longer than max_line_bytes are refused, so a hostile file cannot fill the memory.
  static Result<DatasetReader> open(const std::filesystem::path& path,
                                    std::size_t max_line_bytes = 64U << 20);
  /// The next document, or nothing at the end. Blank lines are passed over. Errors name file and
  /// line.
  Result<std::optional<Document>> next();

 private:
  DatasetReader(std::string where, std::ifstream input, std::size_t max_line_bytes)
      : where_(std::move(where)), input_(std::move(input)), max_line_bytes_(max_line_bytes) {}
  Result<std::optional<std::string>> next_line();

  std::string where_;
  std::ifstream input_;
  std::size_t max_line_bytes_;
  std::int64_t line_number_ = 0;
};

/// The whole dataset. Errors: as DatasetReader, kInvalidArgument when it is empty,
/// kResourceExhausted when the text is over max_bytes.
Result<std::vector<Document>> read_dataset(const std::filesystem::path& path,
                                           std::uint64_t max_bytes = 4ULL << 30);

/// SHA-256 (hex) of texts and sources with their lengths, and of conversations, in order: the name
/// of a dataset's content.
std::string dataset_sha256(std::span<const Document> documents);

enum class SplitBy {
  kPassage,  // Each document on its own: passages of one file may fall on both sides. The default.
  kSource,   // All documents with one source together (what follows the last '#' is ignored).
};

struct SplitOptions {
  double validation_fraction = 0.05;  // 0 to 0.5.
  std::string salt = "panal";
  SplitBy by = SplitBy::kPassage;
};

struct Split {
  std::vector<std::size_t> training;  // Indices into the documents, ascending.
  std::vector<std::size_t> validation;
};

/// Decides by a hash of salt and text (or source): the same document falls on the same side
/// whatever else is in the dataset. With two or more groups and a fraction over 0 both sides get at
/// least one, by moving the one nearest to the border; a single group is for training.
Result<Split> split_documents(std::span<const Document> documents,
                              const SplitOptions& options = {});

}  // namespace panal::data
