// metrics.jsonl: one line per step and per evaluation, written as the run goes, and the curves of
// the plot. After a resume, lines of steps that are taken again are dropped, so that the file reads
// like that of one run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "store/file_system.h"
#include "train/detail/plot.h"

namespace panal::train::detail {

class Journal {
 public:
  /// Keeps the lines of steps up to `last_step` and of evaluations up to `last_evaluated_step`
  /// (that before the first step is step 0); a negative `last_step` keeps nothing.
  static Result<Journal> open(store::FileSystem& files, std::filesystem::path path,
                              std::int64_t last_step, std::int64_t last_evaluated_step);

  /// Adds a line with an integer "step" and perhaps numbers "loss" and "validation_loss"; flush()
  /// writes it.
  void add(const Json& line);
  /// Writes what was added. After an error, such as a full disk, it may be called again: nothing is
  /// lost and no line stands there twice.
  Status flush();
  /// Forgets the lines of steps after `last_step` but for those of rollbacks ("event":
  /// "rollback"). May be called again after an error.
  Status rewind(std::int64_t last_step);
  /// Lines so far survive a power cut. May be called again after an error.
  Status sync();
  const LossCurves& curves() const { return curves_; }

 private:
  Journal() = default;
  void remember(const Json& line);

  /// The file holds these lines and nothing else, and is open for more.
  Status rewrite(const std::string& text);

  store::FileSystem* files_ = nullptr;  // Outlives the journal.
  std::filesystem::path path_;
  std::unique_ptr<store::OutputFile> file_;
  std::string unwritten_;
  bool may_be_cut_ = false;  // A write failed: the file may end within a line.
  LossCurves curves_;
};

}  // namespace panal::train::detail
