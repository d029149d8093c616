#include "train/detail/evaluator.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "evaluate/choices.h"
#include "evaluate/evaluate.h"
#include "train/detail/data_parallel.h"

namespace panal::train::detail {
Status at_evaluation_point(const Ranks& ranks, Trainer& trainer, std::int64_t step,
                           const std::function<Status()>& work) {
  // Before the first step the two points are one, and the others do not wait for orders yet.
  const bool shows = ranks.is_alone() || step > 0;
  const auto show = [&](Order what, bool shown) -> Status {
    if (!shows) return Status();
    PANAL_TRY(ranks.order(what));
    trainer.show_evaluation_point(shown);
    return Status();
  };
  PANAL_TRY(show(Order::kShowEvaluationPoint, true));
  Status done;
  {
    const SignOfLife busy(ranks.group());
    done = capture(work);
  }
  PANAL_TRY(show(Order::kShowTrainingPoint, false));
  return done;
}

Result<Evaluator> Evaluator::open(const recipe::RunConfig& config, const Corpus& corpus) {
  Evaluator evaluator(config, corpus);
  const auto& tasks = config.evaluation.tasks;
  if (!tasks.empty() && !corpus.validation) {
    return Status(Code::kInvalidArgument,
                  "evaluation.tasks are asked when validation text is scored, and there is none: "
                  "data.validation_fraction must be over 0");
  }
  for (const auto& task : tasks) {
    auto items = data::read_choice_task(task.path, task.format, task.options);
    if (!items.ok()) return items.status().with_context("evaluation.tasks " + task.name);
    evaluator.tasks_.push_back(std::move(*items));
  }
  if (!corpus.validation) return evaluator;
  const auto most = std::min(corpus.validation->num_tokens(), config.evaluation.max_tokens);
  if (most < 2) {
    return Status(Code::kInvalidArgument,
                  "the validation text must have at least 2 tokens to score one, found 1");
  }
  evaluator.tokens_.resize(static_cast<std::size_t>(most));
  if (corpus.validation->has_mask()) {
    evaluator.is_scored_.resize(evaluator.tokens_.size());
    PANAL_TRY(corpus.validation->read_learned(0, evaluator.is_scored_));
  }
  PANAL_TRY(corpus.validation->read(0, evaluator.tokens_));
  return evaluator;
}

bool Evaluator::is_due(std::int64_t step, std::int64_t planned_steps) const {
  if (tokens_.empty() || step >= planned_steps) return false;
  if (config_.evaluation.every_steps > 0) return step % config_.evaluation.every_steps == 0;
  if (config_.kind == recipe::RunKind::kLora) return false;
  return step % std::max<std::int64_t>(1, (planned_steps + 4) / 5) == 0;
}

int Evaluator::num_later() const {
  if (tokens_.empty()) return 0;
  return config_.kind == recipe::RunKind::kLora ? 1 : 5;
}

Result<work::EvaluationPoint> Evaluator::score(const model::Decoder& decoder, std::int64_t step,
                                               const std::stop_token& stop) const {
  PANAL_ASSIGN(const evaluate::Evaluation found,
               evaluate::evaluate(
                   decoder, tokens_,
                   {.context = std::min(config_.batch.context, decoder.config().context_length),
                    .batch = config_.batch.sequences,
                    .tokenizer = &corpus_.tokenizer,
                    .is_scored = is_scored_,
                    .stop = stop}));
  work::EvaluationPoint point{.step = step,
                              .tokens = found.tokens,
                              .loss = found.loss,
                              .perplexity = found.perplexity,
                              .bits_per_byte = found.bits_per_byte,
                              .tasks = {}};
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    const auto& task = config_.evaluation.tasks[i];
    PANAL_ASSIGN(const auto scores,
                 evaluate::score_choices(decoder, corpus_.tokenizer, tasks_[i],
                                         {.where = task.path.string(), .stop = stop}));
    const work::ChoiceSummary summary = evaluate::summarise_choices(tasks_[i], scores);
    point.tasks[task.name] = {.items = summary.all.items,
                              .acc = summary.all.acc.mean,
                              .acc_norm = summary.all.acc_norm.mean,
                              .acc_standard_error = summary.all.acc.standard_error,
                              .acc_norm_standard_error = summary.all.acc_norm.standard_error};
  }
  return point;
}

}  // namespace panal::train::detail
