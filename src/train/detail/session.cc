#include "train/detail/session.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "train/detail/data_parallel.h"
#include "train/detail/ending.h"
#include "train/detail/opening.h"
#include "train/detail/run_files.h"
#include "train/detail/summary_file.h"

namespace panal::train::detail {
namespace {

double mean(const std::deque<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Whether a run that has come to its end is told to do more than it was.
Result<bool> has_more_to_do(const RunContext& context, const work::TrainingSummary& summary) {
  const auto& limits = context.config.limits;
  const bool has_more_time = !limits.max_seconds || *limits.max_seconds > summary.seconds * 1.2 + 1;
  const bool has_more_steps = !limits.steps || *limits.steps > summary.steps;
  if (summary.status == work::RunStatus::kTimeLimit) return has_more_time && has_more_steps;
  if (limits.steps) return has_more_steps;
  PANAL_ASSIGN(const auto plan, read_plan(context.at("plan.json")));
  return has_more_time && plan && plan->for_seconds != limits.max_seconds;
}

// A finished run is not run again, unless its limits have grown.
Result<std::optional<work::TrainingSummary>> earlier_result(const RunContext& context) {
  auto summary = read_summary(context.at("summary.json"));
  if (summary.code() == Code::kNotFound) return std::optional<work::TrainingSummary>();
  PANAL_TRY(summary.status());
  const auto& limits = context.config.limits;
  PANAL_ASSIGN(const bool has_more, has_more_to_do(context, *summary));
  const bool has_too_many = limits.steps && *limits.steps < summary->steps;
  if (summary->status == work::RunStatus::kStopped ||
      !std::filesystem::exists(summary->model_folder) || has_more || has_too_many) {
    return std::optional<work::TrainingSummary>();
  }
  context.events.on_message(fmt::format("this run is already {}: {} after {} steps",
                                        work::run_status_name(summary->status), summary->name,
                                        summary->steps));
  return std::optional<work::TrainingSummary>(std::move(*summary));
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
      logbook_(context_, patience_, spending_),
      planner_(context_, pace_, patience_) {}

Result<work::TrainingSummary> Session::run() {
  PANAL_ASSIGN(identity_, claim_directory(context_.environment.files, context_.config));
  PANAL_ASSIGN(std::optional<work::TrainingSummary> earlier, earlier_result(context_));
  if (earlier) return std::move(*earlier);
  for (const auto part : {&Session::open_corpus_and_trainer, &Session::restore, &Session::begin,
                          &Session::make_plan}) {
    const Status status = (this->*part)();
    if (status.code() == Code::kCancelled) return leave();
    PANAL_TRY(status);
    if (context_.stop.stop_requested()) return leave();
  }
  ranks_.begin_orders();
  PANAL_ASSIGN(const work::RunStatus status, steps().run());
  PANAL_TRY(checkpoints_.collect(true));
  if (!checkpoints_.has_saved(counters_.step)) PANAL_TRY(steps().save());
  PANAL_TRY(checkpoints_.collect(true));
  PANAL_ASSIGN(work::TrainingSummary summary,
               status == work::RunStatus::kStopped ? leave() : finish(status));
  PANAL_TRY(ranks_.order(Order::kEnd));
  return summary;
}

Status Session::open_corpus_and_trainer() {
  const bool is_prepared = std::filesystem::exists(context_.at("data/corpus.json"));
  PANAL_ASSIGN(corpus_, open_data(context_));
  if (!is_prepared) PANAL_TRY(check_unchanged());
  PANAL_ASSIGN(Evaluator evaluator, Evaluator::open(context_.config, *corpus_));
  evaluator_.emplace(std::move(evaluator));
  if (context_.stop.stop_requested()) return Status();
  PANAL_TRY(ranks_.meet());  // The data is there.
  PANAL_TRY(planner_.open());
  PANAL_ASSIGN(trainer_, open_trainer(context_, *corpus_, planner_.threads()));
  return Status();
}

// What was read is what the run's identity says, not what somebody wrote meanwhile.
Status Session::check_unchanged() {
  PANAL_ASSIGN(const recipe::RunIdentity now, recipe::identify(context_.config));
  if (now == identity_) return Status();
  std::error_code ignored;
  std::filesystem::remove_all(context_.at("data"), ignored);
  return Status(Code::kConflict, fmt::format("{} while the run read it; run the command again",
                                             recipe::differences(identity_, now).front()));
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

Status Session::begin() {
  const SignOfLife busy(ranks_.group());
  checkpoints_.tidy(counters_);
  PANAL_TRY(logbook_.open(counters_, resumed_from_step_, trainer_->decoder()));
  if (counters_.step == 0 && !counters_.first_evaluation) return steps().evaluate();
  return Status();
}

Status Session::make_plan() {
  return planner_.begin(counters_, evaluator_->num_later(), *trainer_);
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
           .planner = planner_,
           .counters = counters_}};
}

Result<work::TrainingSummary> Session::finish(work::RunStatus status) {
  // A resume of a run that had only its end left to do may have scored this step already.
  if (!counters_.last_evaluation || counters_.last_evaluation->step != counters_.step) {
    const Status evaluated = steps().evaluate();
    if (evaluated.code() == Code::kCancelled) return leave();
    PANAL_TRY(evaluated);
  }
  PANAL_ASSIGN(std::string sample,
               write_result(context_, *corpus_, *trainer_, counters_.step, patience_, logbook_));
  work::TrainingSummary summary = summary_of(status);
  summary.sample = std::move(sample);
  summary.model_folder = context_.at("model");
  return logbook_.write_summary(std::move(summary));
}

Result<work::TrainingSummary> Session::leave() {
  return logbook_.write_summary(summary_of(work::RunStatus::kStopped));
}

work::TrainingSummary Session::summary_of(work::RunStatus status) const {
  work::TrainingSummary summary;
  summary.status = status;
  summary.kind = recipe::run_kind_name(context_.config.kind);
  summary.name = context_.config.name;
  summary.steps = counters_.step;
  summary.planned_steps = planner_.steps();
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
  if (!counters_.recent_losses.empty()) summary.training_loss = mean(counters_.recent_losses);
  summary.first_evaluation = counters_.first_evaluation;
  summary.last_evaluation = counters_.last_evaluation;
  summary.best_evaluation = counters_.best_evaluation;
  summary.energy = spending_.energy();
  if (corpus_) corpus_->describe(summary);
  if (trainer_) {
    for (const data::SourceUse& use : trainer_->stream().use()) {
      summary.sources.push_back({.name = use.name,
                                 .share = use.share,
                                 .num_tokens = use.num_tokens,
                                 .num_windows = use.num_windows,
                                 .windows = use.windows,
                                 .epochs = use.epochs()});
    }
    summary.parameters = trainer_->num_parameters();
    summary.trainable_parameters = trainer_->num_trainable_parameters();
  }
  return summary;
}

}  // namespace panal::train::detail
