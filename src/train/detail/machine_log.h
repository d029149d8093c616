// machines.json: on which machines the calls of a run ran, how fast these are, and how much memory
// each call held. A run resumed elsewhere gets a second entry, so that nobody compares the steps of
// one machine with the peak of another.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "recipe/run_config.h"
#include "report/run_record.h"
#include "store/file_system.h"

namespace panal::model {
class Decoder;
}

namespace panal::train::detail {

/// The most each process of the run has had resident so far, or nothing where that is not known.
using ResidentPeaks = std::function<Result<std::vector<std::int64_t>>()>;

class MachineLog {
 public:
  /// Adds an entry for this call, which begins after `from_step` updates. The model's cost is
  /// written for kPretrain only: the formula is not that of adapters.
  static Result<MachineLog> open(store::FileSystem& files, const Clock& clock,
                                 const recipe::RunConfig& config, const model::Decoder& decoder,
                                 std::int64_t from_step, ResidentPeaks peaks);

  /// Measures products and memory once, when the call has lasted for 20 s: short runs are not held
  /// up, and killed ones have it in their file. Costs about a second. `call_seconds`: so far.
  Status after_step(double call_seconds);
  /// Writes the peak of memory; measures if the call lasted for 10 s and has not measured yet.
  Status end(double call_seconds);
  /// The call that held the most: memory alone is of use in it.
  report::Call largest_call() const;

 private:
  MachineLog(store::FileSystem& files, const Clock& clock, const recipe::RunConfig& config,
             ResidentPeaks peaks)
      : files_(&files),
        clock_(&clock),
        precision_(config.precision),
        processes_(static_cast<int>(config.parallel.processes)),
        ask_for_peaks_(std::move(peaks)) {}
  Status see_peaks();
  Status measure();
  Status write() const;

  store::FileSystem* files_;  // Outlives the log, as the clock does.
  const Clock* clock_;
  tensor::Precision precision_;
  c10::Device device_{c10::DeviceType::CPU};
  int processes_;  // With as many threads each; while one measures, the others wait for it.
  ResidentPeaks ask_for_peaks_;
  std::vector<std::int64_t> peaks_;  // Of each process, as far as they were seen.
  std::filesystem::path path_;
  Json document_;
  report::Call call_;
  bool is_measured_ = false;
  bool is_written_ = false;  // The measurement is in the file.
};

}  // namespace panal::train::detail
