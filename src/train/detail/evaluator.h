// What held-out text and tasks say of a model, and when they are asked.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "data/choice_task.h"
#include "train/detail/corpus.h"
#include "train/detail/run_context.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

/// Does `work` while the decoder holds the weights the optimizer stands for, after `step` updates.
/// Rank 0's; the others show theirs. Not nested.
Status at_evaluation_point(const Ranks& ranks, Trainer& trainer, std::int64_t step,
                           const std::function<Status()>& work);

class Evaluator {
 public:
  /// Reads the tasks and as much of the validation text as is scored. The corpus outlives it.
  /// Errors: kInvalidArgument when there is too little text, or none for the tasks.
  static Result<Evaluator> open(const recipe::RunConfig& config, const Corpus& corpus);

  bool has_text() const { return !tokens_.empty(); }
  bool is_due(std::int64_t step, std::int64_t planned_steps) const;
  /// How many follow that before the first step; with `every_steps` a guess.
  int num_later() const;
  /// Loss and tasks with the weights the decoder holds now. Errors: kCancelled when stopped.
  Result<work::EvaluationPoint> score(const model::Decoder& decoder, std::int64_t step,
                                      const std::stop_token& stop) const;

 private:
  Evaluator(const recipe::RunConfig& config, const Corpus& corpus)
      : config_(config), corpus_(corpus) {}

  const recipe::RunConfig& config_;
  const Corpus& corpus_;
  std::vector<std::int32_t> tokens_;                  // Of the validation text.
  std::vector<std::uint8_t> is_scored_;               // Whether each is; empty: all are.
  std::vector<std::vector<data::ChoiceItem>> tasks_;  // Of config_.evaluation.tasks.
};

}  // namespace panal::train::detail
