#include "report/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace panal::report {
namespace {

constexpr std::size_t kMostRatePoints = 60;

std::int64_t tokens_of(const std::vector<StepPoint>& steps, std::size_t index) {
  return steps[index].tokens - (index == 0 ? 0 : steps[index - 1].tokens);
}

// Which call took a step: the last one that began before it.
std::size_t call_of(const std::vector<Call>& calls, std::int64_t step) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].from_step < step) found = i;
  }
  return found;
}

struct Part {
  Stretch stretch;
  std::vector<double> seconds{}, rates{};
  std::int64_t tokens = 0;
};

// Calls that ran on like machines one after another are one part.
std::vector<Part> parts_of(const RunRecord& run, std::vector<std::size_t>& part_of_call) {
  std::vector<Part> parts;
  for (const Call& call : run.calls) {
    if (parts.empty() || !parts.back().stretch.machine.is_like(call.machine)) {
      parts.push_back({.stretch = {.machine = call.machine}});
    }
    Stretch& stretch = parts.back().stretch;
    // A peak is what the machine can do: the best of several looks at it.
    const auto keep_larger = [](auto& kept, const auto& found) {
      if (found && (!kept || *found > *kept)) kept = found;
    };
    keep_larger(stretch.machine.peak_flops, call.machine.peak_flops);
    keep_larger(stretch.machine.memory_bytes_per_s, call.machine.memory_bytes_per_s);
    keep_larger(stretch.peak_resident_bytes, call.peak_resident_bytes);
    keep_larger(stretch.largest_process_bytes, call.largest_process_bytes);
    keep_larger(stretch.peak_device_bytes, call.peak_device_bytes);
    part_of_call.push_back(parts.size() - 1);
  }
  if (parts.empty()) parts.emplace_back();
  return parts;
}

void normalise(Stretch& stretch, const std::optional<recipe::ModelCost>& cost) {
  if (!stretch.mean_tokens_per_s) return;
  const auto& bandwidth = stretch.machine.memory_bytes_per_s;
  if (bandwidth) stretch.tokens_per_gigabyte = *stretch.mean_tokens_per_s / (*bandwidth / 1e9);
  if (!cost) return;
  stretch.model_flops_per_s = cost->flops_per_token() * *stretch.mean_tokens_per_s;
  if (stretch.machine.peak_flops) {
    stretch.mfu = *stretch.model_flops_per_s / *stretch.machine.peak_flops;
  }
  if (bandwidth) stretch.flops_per_byte = *stretch.model_flops_per_s / *bandwidth;
}

std::vector<Stretch> stretches_of(const RunRecord& run) {
  std::vector<std::size_t> part_of_call;
  std::vector<Part> parts = parts_of(run, part_of_call);
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const StepPoint& step = run.steps[i];
    Part& part = run.calls.empty() ? parts[0] : parts[part_of_call[call_of(run.calls, step.step)]];
    if (part.stretch.first_step == 0) part.stretch.first_step = step.step;
    part.stretch.last_step = step.step;
    if (!(step.seconds > 0)) continue;
    part.seconds.push_back(step.seconds);
    part.tokens += tokens_of(run.steps, i);
    part.rates.push_back(static_cast<double>(tokens_of(run.steps, i)) / step.seconds);
  }
  std::vector<Stretch> stretches;
  for (Part& part : parts) {
    double total = 0;
    for (const double seconds : part.seconds) total += seconds;
    part.stretch.step_seconds = spread_of(part.seconds);
    part.stretch.tokens_per_s = spread_of(part.rates);
    if (total > 0) part.stretch.mean_tokens_per_s = static_cast<double>(part.tokens) / total;
    if (run.median_tokens_per_s) part.stretch.mean_tokens_per_s = run.median_tokens_per_s;
    normalise(part.stretch, run.cost);
    stretches.push_back(std::move(part.stretch));
  }
  return stretches;
}

void add_curves(RunAnalysis& run) {
  double spent = 0;
  std::size_t next = 0;
  const auto& validation = run.record.validation;
  std::int64_t tokens = 0;
  const auto validate_before = [&](std::int64_t step) {
    for (; next < validation.size() && validation[next].step < step; ++next) {
      run.validation.push_back({validation[next].step, tokens, spent, validation[next].loss});
    }
  };
  for (const StepPoint& step : run.record.steps) {
    validate_before(step.step);
    spent += step.seconds;
    tokens = step.tokens;
    if (step.loss) run.training.push_back({step.step, tokens, spent, *step.loss});
    run.skipped_steps += step.was_skipped ? 1 : 0;
  }
  validate_before(std::numeric_limits<std::int64_t>::max());
  RunningMean mean(run.training.size());
  for (LossPoint point : run.training) {
    point.loss = mean.after(point.loss);
    run.smoothed.push_back(point);
  }
}

void add_rates(RunAnalysis& run) {
  const auto& steps = run.record.steps;
  const std::size_t share = (steps.size() + kMostRatePoints - 1) / kMostRatePoints;
  double spent = 0;
  std::vector<double> rates;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    spent += steps[i].seconds;
    if (steps[i].seconds > 0) {
      rates.push_back(static_cast<double>(tokens_of(steps, i)) / steps[i].seconds);
    }
    if ((i + 1) % share != 0 && i + 1 != steps.size()) continue;
    if (const auto spread = spread_of(rates)) {
      run.rates.push_back({spent, spread->p10, spread->median, spread->p90});
    }
    rates.clear();
  }
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json spread_to_json(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  return {
      {"count", spread->count},     {"mean", spread->mean},
      {"p10", spread->p10},         {"median", spread->median},
      {"p90", spread->p90},         {"p95", spread->p95},
      {"largest", spread->largest}, {"coefficient_of_variation", spread->coefficient_of_variation}};
}

Json stretch_to_json(const Stretch& stretch) {
  return {{"machine", work::to_json(stretch.machine)},
          {"first_step", stretch.first_step},
          {"last_step", stretch.last_step},
          {"step_seconds", spread_to_json(stretch.step_seconds)},
          {"step_tokens_per_s", spread_to_json(stretch.tokens_per_s)},
          {"tokens_per_s", or_null(stretch.mean_tokens_per_s)},
          {"peak_resident_bytes", or_null(stretch.peak_resident_bytes)},
          {"largest_process_bytes", or_null(stretch.largest_process_bytes)},
          {"peak_device_bytes", or_null(stretch.peak_device_bytes)},
          {"model_flops_per_s", or_null(stretch.model_flops_per_s)},
          {"mfu", or_null(stretch.mfu)},
          {"model_flops_per_byte_of_bandwidth", or_null(stretch.flops_per_byte)},
          {"tokens_per_gigabyte_of_bandwidth", or_null(stretch.tokens_per_gigabyte)}};
}

}  // namespace

RunAnalysis analyse(RunRecord record, const energy::CarbonOptions& carbon) {
  RunAnalysis run{.record = std::move(record)};
  run.stretches = stretches_of(run.record);
  add_curves(run);
  add_rates(run);
  if (run.record.status != "benchmark" && !run.record.calls.empty()) {
    run.resumes = static_cast<std::int64_t>(run.record.calls.size()) - 1;
  }
  if (run.record.energy.joules && run.record.energy_tokens) {
    run.joules_per_token =
        *run.record.energy.joules / static_cast<double>(*run.record.energy_tokens);
  }
  const energy::CarbonEstimate estimate = energy::estimate_carbon(run.record.energy, carbon);
  run.grams_co2 = estimate.grams;
  run.carbon_method = estimate.method;
  return run;
}

Json analysis_to_json(const RunAnalysis& run) {
  Json json = {{"name", run.record.name},
               {"source", run.record.source},
               {"status", run.record.status},
               {"parameters", or_null(run.record.parameters)},
               {"steps", run.record.steps.size()},
               {"planned_steps", or_null(run.record.planned_steps)},
               {"skipped_steps", run.skipped_steps},
               {"resumes", or_null(run.resumes)},
               {"wall_seconds", or_null(run.record.wall_seconds)}};
  json["tokens"] = run.record.steps.empty() ? Json(nullptr) : Json(run.record.steps.back().tokens);
  json["training_loss"] = run.smoothed.empty() ? Json(nullptr) : Json(run.smoothed.back().loss);
  json["validation_loss"] =
      run.validation.empty() ? Json(nullptr) : Json(run.validation.back().loss);
  json["model"] = run.record.cost ? recipe::model_cost_to_json(*run.record.cost) : Json(nullptr);
  json["flops_per_token"] =
      run.record.cost ? Json(run.record.cost->flops_per_token()) : Json(nullptr);
  json["energy"] = {{"joules", or_null(run.record.energy.joules)},
                    {"method", run.record.energy.method},
                    {"joules_per_token", or_null(run.joules_per_token)},
                    {"grams_co2", or_null(run.grams_co2)},
                    {"grams_co2_method", run.carbon_method}};
  json["stretches"] = Json::array();
  for (const Stretch& stretch : run.stretches)
    json["stretches"].push_back(stretch_to_json(stretch));
  json["notes"] = run.record.notes;
  return json;
}

}  // namespace panal::report
