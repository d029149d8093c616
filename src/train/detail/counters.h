// Everything of a run that changes and is not a tensor, and its form in state.json.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "energy/meter.h"
#include "train/run.h"

namespace panal::train::detail {

/// Everything of a run that changes and is not a tensor.
struct Counters {
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  std::int64_t skipped_steps = 0;       // Not finite or outliers.
  std::int64_t outlier_steps = 0;       // Of those, outliers.
  std::int64_t bad_steps_in_a_row = 0;  // Skipped ones up to now.
  std::int64_t rollbacks = 0;
  std::optional<double> smoothed_loss;  // Of the steps taken after warm-up; nothing before.
  std::optional<double> lowest_smoothed_loss;
  Json outliers = Json::object();    // OutlierEstimate::state(), set when a checkpoint is made.
  double seconds = 0;                // Wall time of all calls.
  double training_seconds = 0;       // Of steps alone.
  double checkpoint_seconds = 0;     // That training stood still for checkpoints.
  std::deque<double> recent_losses;  // Finite, the newest last, at most kRecentLosses.
  std::optional<work::EvaluationPoint> first_evaluation;
  std::optional<work::EvaluationPoint> last_evaluation;
  std::optional<work::EvaluationPoint> best_evaluation;  // Of the lowest loss.
  energy::EnergyReading energy{
      .joules = 0.0, .method = "", .detail = ""};  // Method "": nothing yet.
  Json stream;                                     // data::TokenStream::state().
};
inline constexpr std::size_t kRecentLosses = 20;

Json counters_to_json(const Counters& counters);
/// Untrusted: every field is checked. Errors: kCorrupt or kInvalidArgument naming `where` and the
/// field.
Result<Counters> counters_from_json(const Json& json, std::string_view where);

}  // namespace panal::train::detail
