// The figures of a run, each either known or empty: unknown is never 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "energy/carbon.h"
#include "report/run_record.h"
#include "report/statistics.h"

namespace panal::report {

/// The steps of a run that were taken on one machine with one number of threads and precision.
struct Stretch {
  machine::Machine machine{};
  std::int64_t first_step = 0, last_step = 0;  // 0 and 0: no single steps are known.
  std::optional<Spread> step_seconds{};
  std::optional<Spread> tokens_per_s{};       // Of the single steps.
  std::optional<double> mean_tokens_per_s{};  // All tokens by all seconds; a benchmark's median.
  std::optional<std::int64_t> peak_resident_bytes{};    // Of all processes together.
  std::optional<std::int64_t> largest_process_bytes{};  // Of several processes.
  std::optional<std::int64_t> peak_device_bytes{};      // Of tensors on one GPU, the first rank's.
  std::optional<double> model_flops_per_s{};            // (6 N + 12 L H Q T) tokens/s
  std::optional<double> mfu{};                          // The same by the machine's peak.
  std::optional<double> flops_per_byte{};       // The same by the machine's memory bandwidth.
  std::optional<double> tokens_per_gigabyte{};  // tokens/s by GB/s.
};

struct LossPoint {
  std::int64_t step = 0, tokens = 0;
  double seconds = 0;  // Of training, evaluations and checkpoints left out.
  double loss = 0;
};

/// Tokens per second of neighbouring steps.
struct RatePoint {
  double seconds = 0;  // Where the group ends.
  double p10 = 0, median = 0, p90 = 0;
};

struct RunAnalysis {
  RunRecord record{};
  std::vector<Stretch> stretches{};   // By first step; one or more.
  std::vector<LossPoint> training{};  // Finite losses.
  std::vector<LossPoint>
      smoothed{};  // An exponential mean with a memory of a hundredth of the run.
  std::vector<LossPoint> validation{};
  std::vector<RatePoint> rates{};  // At most 60 groups.
  std::int64_t skipped_steps = 0;
  std::optional<std::int64_t> resumes{};
  std::optional<double> joules_per_token{};
  std::optional<double> grams_co2{};
  std::string carbon_method{};
};

RunAnalysis analyse(RunRecord record, const energy::CarbonOptions& carbon);
/// Everything but the curves; unknown figures are null.
Json analysis_to_json(const RunAnalysis& run);

}  // namespace panal::report
