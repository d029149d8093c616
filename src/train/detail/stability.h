// What steps say about the run they are part of: which are left out, when a run has diverged, and
// which checkpoints are worth going back to. All of it depends on the steps alone, so a run that is
// killed and resumed judges the same again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "recipe/run_config.h"
#include "train/detail/counters.h"
#include "train/detail/outliers.h"
#include "train/detail/step_result.h"

namespace panal::train::detail {

class Stability {
 public:
  /// `save_every_steps`: of checkpoints; 0: they come by time.
  Stability(const recipe::RunConfig::Stability& rule, std::int64_t save_every_steps)
      : rule_(rule),
        save_every_steps_(save_every_steps),
        outliers_(rule.outlier_sigmas, rule.window) {}

  /// What a step is compared with before it counts; null: only what is not finite is left out.
  const OutlierEstimate* bounds(bool is_warm) const {
    return is_warm && rule_.skip_outliers ? &outliers_ : nullptr;
  }
  /// Counts a step; why the run diverged with it, or "". `is_warm`: the warm-up is over.
  std::string judge(const StepResult& result, bool is_warm, Counters& counters);
  /// Taken before things went wrong; and, where checkpoints come by steps, one of those, because
  /// the others depend on when somebody stopped the run.
  bool is_good(const Counters& checkpoint) const;

  Json state() const { return outliers_.state(); }
  /// Of a checkpoint. Errors: kCorrupt naming `where`.
  Status restore(const Counters& checkpoint, std::string_view where) {
    return outliers_.restore(checkpoint.outliers, where);
  }

 private:
  const recipe::RunConfig::Stability rule_;
  const std::int64_t save_every_steps_;
  OutlierEstimate outliers_;
};

}  // namespace panal::train::detail
