#include "train/detail/logbook.h"

#include <fmt/format.h>

#include <cmath>

#include "train/detail/plot.h"

namespace panal::train::detail {

Status Logbook::open(const Counters& counters, std::int64_t resumed_from_step,
                     const model::Decoder& decoder) {
  store::FileSystem& files = context_.environment.files;
  const std::int64_t evaluated = counters.last_evaluation ? counters.last_evaluation->step : -1;
  PANAL_ASSIGN(journal_,
               Journal::open(files, context_.at("metrics.jsonl"), resumed_from_step, evaluated));
  PANAL_ASSIGN(machines_,
               MachineLog::open(files, context_.environment.clock, context_.config, decoder,
                                counters.step, [this] { return context_.ranks.ask_for_peaks(); }));
  return Status();
}

Status Logbook::note_step(const StepResult& result, double step_seconds, const Counters& counters) {
  Json line = {{"step", counters.step},
               {"loss", nullptr},
               {"learning_rate", result.learning_rate},
               {"gradient_norm", nullptr},
               {"tokens", counters.tokens},
               {"seconds", step_seconds}};
  if (std::isfinite(result.gradient_norm)) line["gradient_norm"] = result.gradient_norm;
  if (std::isfinite(result.loss)) line["loss"] = result.loss;
  if (result.clipped_heads > 0) line["qk_clipped"] = result.clipped_heads;
  if (result.was_skipped) {
    line["skipped"] = true;
    line["why"] = verdict_name(result.verdict);
    context_.events.on_message(fmt::format(
        "step {} left the weights as they are ({}): loss {}, gradient norm {}", counters.step,
        verdict_name(result.verdict), result.loss, result.gradient_norm));
  }
  PANAL_TRY(add(line));
  return patience_.keep_trying([this] { return machines_->after_step(spending_.call_seconds()); });
}

Status Logbook::note_evaluation(const work::EvaluationPoint& point) {
  if (!std::isfinite(point.loss)) {
    context_.events.on_message(
        fmt::format("the validation loss at step {} is not finite", point.step));
    return Status();
  }
  context_.events.on_evaluation(point);
  Json line = {
      {"step", point.step}, {"validation_loss", point.loss}, {"validation_tokens", point.tokens}};
  const Json all = work::to_json(point);
  for (const char* key : {"perplexity", "bits_per_byte", "tasks"}) {
    if (json_has(all, key)) line[key] = all.at(key);
  }
  return add(line);
}

Status Logbook::note_roll_back(std::int64_t from_step, const std::string& why,
                               const Counters& counters) {
  context_.events.on_message(fmt::format(
      "training diverged at step {}: {}; going back to step {}, {} of at most {} times, and on "
      "with other data",
      from_step, why, counters.step, counters.rollbacks, context_.config.stability.rollbacks));
  PANAL_TRY(patience_.keep_trying([&] { return journal_->rewind(counters.step); }));
  // Under the step after the checkpoint's: a resume from there takes these steps, and notes this
  // line, again.
  return add({{"step", counters.step + 1},
              {"event", "rollback"},
              {"from_step", from_step},
              {"to_step", counters.step},
              {"rollbacks", counters.rollbacks},
              {"why", why}});
}

Status Logbook::add(const Json& line) {
  journal_->add(line);
  return patience_.keep_trying([this] { return journal_->flush(); });
}

Status Logbook::sync() {
  return patience_.keep_trying([this] { return journal_->sync(); });
}

Status Logbook::write_file(std::string_view name, std::string_view text) {
  return patience_.keep_trying([&] {
    return store::write_file_atomically(context_.environment.files, context_.at(name), text);
  });
}

Result<work::TrainingSummary> Logbook::write_summary(work::TrainingSummary summary) {
  if (machines_) {
    PANAL_TRY(patience_.keep_trying([&] { return machines_->end(spending_.call_seconds()); }));
    const report::Call largest = machines_->largest_call();
    summary.peak_resident_bytes = largest.peak_resident_bytes;
    summary.largest_process_bytes = largest.largest_process_bytes;
    summary.peak_device_bytes = largest.peak_device_bytes;
  }
  if (journal_) {
    LossCurves curves = journal_->curves();
    curves.title = fmt::format("{}: {:.1f}M parameters, {} steps", summary.name,
                               static_cast<double>(summary.parameters) / 1e6, summary.steps);
    PANAL_TRY(write_file("loss.svg", loss_plot(curves)));
  }
  PANAL_TRY(write_file("summary.json", to_pretty(work::to_json(summary))));
  return summary;
}

}  // namespace panal::train::detail
