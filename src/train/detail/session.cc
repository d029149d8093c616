// How a session opens: data, model, checkpoint, plan. What it does then is in session_steps.cc, how
// it ends in session_end.cc.
#include "train/detail/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "machine/inventory.h"
#include "tensor/device.h"
#include "tensor/runtime.h"
#include "train/detail/summary_file.h"

namespace panal::train::detail {
namespace {

// Keeps room for what cannot be foreseen: other programs, slower evaluations, writing the model.
constexpr double kShareForSteps = 0.95;
constexpr double kEndingSeconds = 1.5;
constexpr std::int64_t kMostPlannedSteps = 100'000'000;

std::int64_t number_of_evaluations(const recipe::RunConfig& config, bool has_validation) {
  if (!has_validation) return 0;
  return config.kind == recipe::RunKind::kLora
             ? 1
             : 5;  // After the first; with every_steps given it is a guess.
}

}  // namespace

Session::Session(const recipe::RunConfig& config, RunEvents& events, std::stop_token stop,
                 RunEnvironment& environment)
    : config_(config),
      events_(events),
      stop_(std::move(stop)),
      environment_(environment),
      device_(tensor::training_device(config.device,
                                      environment.group == nullptr ? 0 : environment.group->rank(),
                                      num_ranks())),
      started_(environment.clock.steady_now()),
      energy_(environment.meter),
      patience_(
          environment.clock,
          [this] {
            if (num_ranks() > 1) environment_.group->announce_life();
            return stop_.stop_requested() || time_is_over();
          },
          [this](std::string_view text) { events_.on_message(text); }),
      writer_(environment.files, at("checkpoints")),
      earlier_energy_{.joules = 0.0, .method = "", .detail = ""},
      last_save_(started_),
      outliers_(config.stability.outlier_sigmas, config.stability.window) {}

Result<TrainSummary> Session::run() {
  PANAL_TRY(claim_directory(environment_.files, config_));
  PANAL_ASSIGN(std::optional<TrainSummary> earlier, earlier_result());
  if (earlier) return std::move(*earlier);
  for (const auto part :
       {&Session::open_data, &Session::meet, &Session::open_trainer, &Session::restore,
        &Session::begin, &Session::agree, &Session::make_plan}) {
    const Status status = (this->*part)();
    if (status.code() == Code::kCancelled) return stopped_summary();
    PANAL_TRY(status);
    if (stop_.stop_requested()) return stopped_summary();
  }
  others_follow_ = true;
  PANAL_ASSIGN(const RunStatus status, train());
  PANAL_TRY(collect_checkpoint(true));
  if (saved_step_ != counters_.step) PANAL_TRY(save());
  PANAL_TRY(collect_checkpoint(true));
  PANAL_ASSIGN(TrainSummary summary,
               status == RunStatus::kStopped ? stopped_summary() : finish(status));
  PANAL_TRY(order(Order::kEnd));
  return summary;
}

// A finished run is not run again, unless it ended for lack of time and now has more.
Result<std::optional<TrainSummary>> Session::earlier_result() const {
  auto summary = read_summary(at("summary.json"));
  if (summary.code() == Code::kNotFound) return std::optional<TrainSummary>();
  PANAL_TRY(summary.status());
  const bool is_there = std::filesystem::exists(summary->model_folder);
  const bool has_more_time =
      summary->status == RunStatus::kTimeLimit &&
      (!config_.limits.max_seconds || *config_.limits.max_seconds > summary->seconds * 1.2 + 1);
  if (summary->status == RunStatus::kStopped || !is_there || has_more_time) {
    return std::optional<TrainSummary>();
  }
  events_.on_message(fmt::format("this run is already {}", run_status_name(summary->status)));
  return std::optional<TrainSummary>(std::move(*summary));
}

Status Session::open_data() {
  const SignOfLife busy(environment_.group);
  CorpusWork work{.files = environment_.files,
                  .run_directory = config_.run_directory,
                  .message = [this](std::string_view text) { events_.on_message(text); },
                  .threads = static_cast<int>(std::min<std::int64_t>(config_.limits.threads, 256)),
                  .stop = stop_};
  PANAL_ASSIGN(corpus_, open_corpus(config_, work));
  PANAL_TRY(open_tasks());
  if (!corpus_->validation) return Status();
  const auto most = std::min(corpus_->validation->num_tokens(), config_.evaluation.max_tokens);
  if (most < 2) {
    return Status(Code::kInvalidArgument,
                  "the validation text must have at least 2 tokens to score one, found 1");
  }
  validation_tokens_.resize(static_cast<std::size_t>(most));
  return corpus_->validation->read(0, validation_tokens_);
}

Status Session::open_tasks() {
  const auto& tasks = config_.evaluation.tasks;
  if (!tasks.empty() && !corpus_->validation) {
    return Status(Code::kInvalidArgument,
                  "evaluation.tasks are asked when validation text is scored, and there is none: "
                  "data.validation_fraction must be over 0");
  }
  for (const auto& task : tasks) {
    auto items = data::read_choice_task(task.path, task.format, task.options);
    if (!items.ok()) return items.status().with_context("evaluation.tasks " + task.name);
    tasks_.push_back(std::move(*items));
  }
  return Status();
}

Result<model::Decoder> Session::make_decoder() const {
  if (config_.kind == recipe::RunKind::kPretrain) {
    recipe::ModelConfig dimensions = config_.model.dimensions;
    dimensions.vocabulary_size = corpus_->facts.vocabulary_size;
    dimensions.bos_id = corpus_->tokenizer.bos_id();
    dimensions.eos_id = corpus_->tokenizer.eos_id();
    PANAL_TRY(recipe::validate(dimensions));
    model::Decoder fresh = model::Decoder::random(dimensions, config_.seed, config_.memory.weights);
    fresh.move_to(device_);
    return fresh;
  }
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(config_.model.core));
  if (corpus_->facts.vocabulary_size > decoder.config().vocabulary_size) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("the core's vocabulary must hold its tokenizer's {} tokens, found {}: {}",
                    corpus_->facts.vocabulary_size, decoder.config().vocabulary_size,
                    config_.model.core.string()));
  }
  if (config_.batch.context > decoder.config().context_length) {
    return Status(Code::kInvalidArgument,
                  fmt::format("batch.context must be at most the core's context of {}, found {}",
                              decoder.config().context_length, config_.batch.context));
  }
  decoder.move_to(device_);
  decoder.add_lora({.rank = config_.lora.rank,
                    .alpha = config_.lora.alpha,
                    .targets = config_.lora.targets,
                    .base_model_name = config_.lora.base_model_name},
                   config_.seed);
  return decoder;
}

Status Session::open_trainer() {
  PANAL_ASSIGN(plan_, read_plan(at("plan.json")));
  if (config_.limits.threads > 0 || plan_ || num_ranks() > 1) {
    const auto threads = num_ranks() > 1
                             ? machine::threads_of_process(config_.limits.threads, num_ranks())
                         : plan_ ? plan_->threads
                                 : config_.limits.threads;
    if (threads != tensor::num_threads()) tensor::set_num_threads(static_cast<int>(threads));
  }
  tensor::return_free_heap();  // Preparing the text may have left some.
  tensor::seed_everything(config_.seed);
  auto stream = data::TokenMixture::open(corpus_->training, {.batch = config_.batch.sequences,
                                                             .context = config_.batch.context,
                                                             .end_of_text = corpus_->end_of_text,
                                                             .seed = config_.seed,
                                                             .packing = config_.data.packing});
  if (!stream.ok()) return stream.status().with_context("training data");
  PANAL_ASSIGN(model::Decoder decoder, make_decoder());
  trainer_ = std::make_unique<Trainer>(config_, std::move(decoder), std::move(*stream),
                                       environment_.group);
  events_.on_message(fmt::format("{:.2f}M parameters, {:.2f}M of them trained, on {} tokens",
                                 static_cast<double>(trainer_->num_parameters()) / 1e6,
                                 static_cast<double>(trainer_->num_trainable_parameters()) / 1e6,
                                 trainer_->stream().num_tokens()));
  if (num_ranks() > 1 && device_.is_cuda()) {
    events_.on_message(fmt::format("{} processes exchange gradients and weights {}", num_ranks(),
                                   trainer_->is_between_devices() ? "from device to device by NCCL"
                                                                  : "through the host's memory"));
  }
  return Status();
}

Status Session::restore() {
  const auto checkpoints = list_checkpoints(at("checkpoints"));
  Status last_error;
  for (const auto& checkpoint : checkpoints) {
    auto loaded = load_checkpoint(checkpoint, trainer_->trainable(), trainer_->whole_optimizer());
    if (loaded.ok()) last_error = outliers_.restore(loaded->outliers, checkpoint.string());
    if (loaded.ok() && last_error.ok()) last_error = trainer_->stream().restore(loaded->stream);
    if (loaded.ok() && last_error.ok()) {
      counters_ = std::move(*loaded);
      earlier_seconds_ = counters_.seconds;
      earlier_energy_ = counters_.energy;
      resumed_from_step_ = saved_step_ = counters_.step;
      events_.on_message(fmt::format("going on from step {}", counters_.step));
      return Status();
    }
    if (!loaded.ok()) last_error = loaded.status();
    events_.on_message(fmt::format("checkpoint {} cannot be used: {}",
                                   checkpoint.filename().string(), last_error.message()));
  }
  if (checkpoints.empty()) return Status();
  return last_error.with_context(
      fmt::format("none of {} checkpoints can be used", checkpoints.size()));
}

Status Session::begin() {
  const SignOfLife busy(environment_.group);
  // What a killed call left, or a config that keeps fewer has no use for.
  remove_old_checkpoints(at("checkpoints"), policy());
  if (config_.kind == recipe::RunKind::kLora) {
    PANAL_ASSIGN(const std::string found, weights_checksum(config_.model.core));
    if (plan_ && plan_->core_checksum != found) {
      return Status(
          Code::kConflict,
          fmt::format("the run began on other core weights: expected checksum {}, found {} "
                      "in {}",
                      plan_->core_checksum, found, config_.model.core.string()));
    }
    if (!plan_) plan_ = Plan{.core_checksum = found};
  } else if (!plan_) {
    plan_ = Plan{};
  }
  const std::int64_t evaluated = counters_.last_evaluation ? counters_.last_evaluation->step : -1;
  PANAL_ASSIGN(journal_, Journal::open(environment_.files, at("metrics.jsonl"), resumed_from_step_,
                                       evaluated));
  PANAL_ASSIGN(machines_, MachineLog::open(environment_.files, environment_.clock, config_,
                                           trainer_->decoder(), counters_.step,
                                           [this] { return ask_for_peaks(); }));
  if (counters_.step == 0 && !counters_.first_evaluation) return evaluate_now();
  return Status();
}

std::int64_t Session::steps_that_fit(double step_seconds) const {
  const auto evaluations =
      static_cast<double>(number_of_evaluations(config_, !validation_tokens_.empty()));
  const double left =
      *config_.limits.max_seconds - elapsed() - kEndingSeconds - evaluations * evaluation_seconds_;
  const double steps = std::floor(left * kShareForSteps / std::max(step_seconds, 1e-6));
  return static_cast<std::int64_t>(std::clamp(steps, 1.0, static_cast<double>(kMostPlannedSteps)));
}

Status Session::make_plan() {
  if (plan_->steps > 0) return Status();
  plan_->threads = tensor::num_threads();
  plan_->steps = config_.limits.steps.value_or(0);
  if (plan_->steps == 0) {
    const double step_seconds = trainer_->measured_step_seconds(environment_.clock);
    plan_->steps = steps_that_fit(step_seconds);
    // Clocks and evaluations are each rank's own, the schedule is not.
    PANAL_TRY(adopt_number(plan_->steps));
    events_.on_message(fmt::format("{} steps of {:.2f} s fit into {:.0f} s", plan_->steps,
                                   step_seconds, *config_.limits.max_seconds));
  }
  return leads() ? write_plan(environment_.files, at("plan.json"), *plan_) : Status();
}

}  // namespace panal::train::detail
