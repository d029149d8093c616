// How fast a run goes, and what of it still fits into its time limit.
#pragma once

#include <cstdint>
#include <optional>

#include "train/detail/spending.h"

namespace panal::train::detail {

class Pace {
 public:
  /// `max_seconds` of all calls together; empty: no limit. `spending` outlives it.
  Pace(const Spending& spending, std::optional<double> max_seconds)
      : spending_(spending), max_seconds_(max_seconds) {}

  /// The first step of a call pays for fresh memory: it counts until there is a second one.
  void note_step(double seconds);
  void note_evaluation(double seconds) { evaluation_seconds_ = seconds; }
  /// Recent mean; 0 before the first step.
  double step_seconds() const { return step_seconds_; }
  std::int64_t num_steps() const { return num_steps_; }
  /// Of the recent mean; 0 before the first step.
  double steps_per_second() const { return step_seconds_ > 0 ? 1 / step_seconds_ : 0; }
  /// Another step, an evaluation and the end no longer fit.
  bool time_is_over() const;
  /// Until so many more steps are done or the time is over; 0 or more.
  double seconds_left(std::int64_t steps) const;
  /// Steps of so many seconds that fit into what is left, with room for evaluations and the end,
  /// and some for what cannot be foreseen; 1 or more. Only with a limit.
  std::int64_t steps_that_fit(double step_seconds, int num_evaluations) const;
  bool has_limit() const { return max_seconds_.has_value(); }

 private:
  const Spending& spending_;
  const std::optional<double> max_seconds_;
  std::int64_t num_steps_ = 0;     // Noted in this call.
  double step_seconds_ = 0;        // Recent mean.
  double evaluation_seconds_ = 0;  // Of the last one.
};

}  // namespace panal::train::detail
