#include "train/detail/session.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "train/detail/data_parallel.h"
#include "train/detail/ending.h"
#include "train/detail/opening.h"
#include "train/detail/planning.h"
#include "train/detail/position.h"
#include "train/detail/summary_file.h"

namespace panal::train::detail {
namespace {

double mean(const std::deque<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// A finished run is not run again, unless it ended for lack of time and now has more.
Result<std::optional<TrainSummary>> earlier_result(const RunContext& context) {
  auto summary = read_summary(context.at("summary.json"));
  if (summary.code() == Code::kNotFound) return std::optional<TrainSummary>();
  PANAL_TRY(summary.status());
  const auto& max_seconds = context.config.limits.max_seconds;
  const bool is_there = std::filesystem::exists(summary->model_folder);
  const bool has_more_time = summary->status == RunStatus::kTimeLimit &&
                             (!max_seconds || *max_seconds > summary->seconds * 1.2 + 1);
  if (summary->status == RunStatus::kStopped || !is_there || has_more_time) {
    return std::optional<TrainSummary>();
  }
  context.events.on_message(
      fmt::format("this run is already {}", run_status_name(summary->status)));
  return std::optional<TrainSummary>(std::move(*summary));
}

}  // namespace

Session::Session(const recipe::RunConfig& config, RunEvents& events, std::stop_token stop,
                 RunEnvironment& environment)
    : ranks_(environment.group),
      context_{.config = config,
               .events = events,
               .stop = std::move(stop),
               .environment = environment,
               .ranks = ranks_},
      spending_(environment.clock, environment.meter),
      pace_(spending_, config.limits.max_seconds),
      patience_(
          environment.clock,
          [this] {
            ranks_.announce_life();
            return context_.stop.stop_requested() || pace_.time_is_over();
          },
          [&events](std::string_view text) { events.on_message(text); }),
      stability_(config.stability, config.checkpoint.every_steps),
      checkpoints_(context_, patience_, stability_),
      logbook_(context_, patience_, spending_) {}

Result<TrainSummary> Session::run() {
  PANAL_TRY(claim_directory(context_.environment.files, context_.config));
  PANAL_ASSIGN(std::optional<TrainSummary> earlier, earlier_result(context_));
  if (earlier) return std::move(*earlier);
  for (const auto part : {&Session::open_corpus_and_trainer, &Session::restore, &Session::begin,
                          &Session::make_plan}) {
    const Status status = (this->*part)();
    if (status.code() == Code::kCancelled) return leave();
    PANAL_TRY(status);
    if (context_.stop.stop_requested()) return leave();
  }
  ranks_.begin_orders();
  PANAL_ASSIGN(const RunStatus status, steps().run(plan_->steps));
  PANAL_TRY(checkpoints_.collect(true));
  if (!checkpoints_.has_saved(counters_.step)) PANAL_TRY(steps().save());
  PANAL_TRY(checkpoints_.collect(true));
  PANAL_ASSIGN(TrainSummary summary, status == RunStatus::kStopped ? leave() : finish(status));
  PANAL_TRY(ranks_.order(Order::kEnd));
  return summary;
}

Status Session::open_corpus_and_trainer() {
  PANAL_ASSIGN(corpus_, open_data(context_));
  PANAL_ASSIGN(Evaluator evaluator, Evaluator::open(context_.config, *corpus_));
  evaluator_.emplace(std::move(evaluator));
  if (context_.stop.stop_requested()) return Status();
  PANAL_TRY(ranks_.meet());  // The data is there.
  PANAL_ASSIGN(plan_, read_plan(context_.at("plan.json")));
  PANAL_ASSIGN(trainer_, open_trainer(context_, *corpus_, plan_));
  return Status();
}

Status Session::restore() {
  PANAL_ASSIGN(std::optional<Counters> found, checkpoints_.restore(*trainer_, stability_));
  if (!found) return Status();
  counters_ = std::move(*found);
  spending_.go_on_from(counters_);
  resumed_from_step_ = counters_.step;
  context_.events.on_message(fmt::format("going on from step {}", counters_.step));
  return Status();
}

Status Session::check_core() {
  if (context_.config.kind != recipe::RunKind::kLora) return Status();
  const auto& core = context_.config.model.core;
  PANAL_ASSIGN(const std::string found, weights_checksum(core));
  if (plan_->core_checksum.empty()) plan_->core_checksum = found;
  if (plan_->core_checksum == found) return Status();
  return Status(Code::kConflict,
                fmt::format("the run began on other core weights: expected checksum {}, found {} "
                            "in {}",
                            plan_->core_checksum, found, core.string()));
}

Status Session::begin() {
  const SignOfLife busy(ranks_.group());
  checkpoints_.tidy(counters_);
  if (!plan_) plan_ = Plan{};
  PANAL_TRY(check_core());
  PANAL_TRY(logbook_.open(counters_, resumed_from_step_, trainer_->decoder()));
  if (counters_.step == 0 && !counters_.first_evaluation) return steps().evaluate();
  return Status();
}

// On all ranks, because all of them take the steps that are measured.
Status Session::make_plan() {
  PANAL_TRY(agree(ranks_, *trainer_, {.step = counters_.step, .steps = plan_->steps}).status());
  if (plan_->steps > 0) return Status();
  PANAL_TRY(decide_steps(context_, pace_, evaluator_->num_later(), *trainer_, *plan_));
  return write_plan(context_.environment.files, context_.at("plan.json"), *plan_);
}

StepLoop Session::steps() {
  return {context_,
          {.trainer = *trainer_,
           .evaluator = *evaluator_,
           .checkpoints = checkpoints_,
           .logbook = logbook_,
           .stability = stability_,
           .spending = spending_,
           .pace = pace_,
           .counters = counters_}};
}

Result<TrainSummary> Session::finish(RunStatus status) {
  // A resume of a run that had only its end left to do may have scored this step already.
  if (!counters_.last_evaluation || counters_.last_evaluation->step != counters_.step) {
    const Status evaluated = steps().evaluate();
    if (evaluated.code() == Code::kCancelled) return leave();
    PANAL_TRY(evaluated);
  }
  PANAL_ASSIGN(std::string sample,
               write_result(context_, *corpus_, *trainer_, counters_.step, patience_, logbook_));
  TrainSummary summary = summary_of(status);
  summary.sample = std::move(sample);
  summary.model_folder = context_.at("model");
  return logbook_.write_summary(std::move(summary));
}

Result<TrainSummary> Session::leave() {
  return logbook_.write_summary(summary_of(RunStatus::kStopped));
}

TrainSummary Session::summary_of(RunStatus status) const {
  TrainSummary summary;
  summary.status = status;
  summary.kind = context_.config.kind;
  summary.name = context_.config.name;
  summary.steps = counters_.step;
  summary.planned_steps = plan_ ? plan_->steps : 0;
  summary.skipped_steps = counters_.skipped_steps;
  summary.outlier_steps = counters_.outlier_steps;
  summary.rollbacks = counters_.rollbacks;
  summary.resumed_from_step = resumed_from_step_;
  summary.tokens = counters_.tokens;
  summary.seconds = spending_.seconds();
  if (counters_.training_seconds > 0) {
    summary.tokens_per_second = static_cast<double>(counters_.tokens) / counters_.training_seconds;
  }
  summary.checkpoint_seconds = counters_.checkpoint_seconds;
  summary.training_loss = mean(counters_.recent_losses);
  summary.first_evaluation = counters_.first_evaluation;
  summary.last_evaluation = counters_.last_evaluation;
  summary.best_evaluation = counters_.best_evaluation;
  summary.energy = spending_.energy();
  if (corpus_) corpus_->describe(summary);
  if (trainer_) {
    summary.sources = trainer_->stream().use();
    summary.parameters = trainer_->num_parameters();
    summary.trainable_parameters = trainer_->num_trainable_parameters();
  }
  return summary;
}

}  // namespace panal::train::detail
