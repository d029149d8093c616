// metrics.jsonl: one line per step and per evaluation, written as the run goes, and the curves of
// the plot. After a resume, lines of steps that are taken again are dropped, so that the file reads
// like that of one run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/json.h"
#include "base/result.h"
#include "store/file_system.h"
#include "train/detail/plot.h"

namespace panal::train::detail {

class Journal {
 public:
  /// Keeps the lines of steps up to `last_step` (those of the evaluation before the first step are
  /// step 0); a negative one keeps nothing.
  static Result<Journal> open(store::FileSystem& files, std::filesystem::path path,
                              std::int64_t last_step);

  /// Adds a line with an integer "step" and perhaps numbers "loss" and "validation_loss".
  Status add(const Json& line);
  /// Lines so far survive a power cut.
  Status sync();
  const LossCurves& curves() const { return curves_; }

 private:
  Journal() = default;
  void remember(const Json& line);

  std::unique_ptr<store::OutputFile> file_;
  LossCurves curves_;
};

}  // namespace panal::train::detail
