#include "train/detail/counters.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "work/training.h"

namespace panal::train::detail {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;

constexpr std::array<std::pair<const char*, std::optional<work::EvaluationPoint> Counters::*>, 3>
    kEvaluations{{
        {"first_evaluation", &Counters::first_evaluation},
        {"last_evaluation", &Counters::last_evaluation},
        {"best_evaluation", &Counters::best_evaluation},
    }};

Status read_losses(const Json& json, std::string_view where, Counters& counters) {
  if (!json.contains("recent_losses") || !json["recent_losses"].is_array()) {
    return Status(Code::kCorrupt, fmt::format("{}: recent_losses must be a list", where));
  }
  for (const auto& loss : json["recent_losses"]) {
    if (!loss.is_number() || counters.recent_losses.size() >= kRecentLosses) {
      return Status(Code::kCorrupt, fmt::format("{}: recent_losses must be at most {} numbers",
                                                where, kRecentLosses));
    }
    counters.recent_losses.push_back(loss.get<double>());
  }
  return Status();
}

}  // namespace

Json counters_to_json(const Counters& counters) {
  Json json = {{"step", counters.step},
               {"tokens", counters.tokens},
               {"skipped_steps", counters.skipped_steps},
               {"outlier_steps", counters.outlier_steps},
               {"bad_steps_in_a_row", counters.bad_steps_in_a_row},
               {"rollbacks", counters.rollbacks},
               {"outliers", counters.outliers},
               {"seconds", counters.seconds},
               {"training_seconds", counters.training_seconds},
               {"checkpoint_seconds", counters.checkpoint_seconds},
               {"recent_losses", counters.recent_losses},
               {"energy", work::to_json(counters.energy)},
               {"stream", counters.stream}};
  if (counters.smoothed_loss) json["smoothed_loss"] = *counters.smoothed_loss;
  if (counters.lowest_smoothed_loss) json["lowest_smoothed_loss"] = *counters.lowest_smoothed_loss;
  for (const auto& [key, member] : kEvaluations) {
    if (counters.*member) json[key] = work::to_json(*(counters.*member));
  }
  return json;
}

Result<Counters> counters_from_json(const Json& json, std::string_view where) {
  Counters counters;
  PANAL_ASSIGN(counters.step, json_integer(json, "step", where, 0, kMost));
  PANAL_ASSIGN(counters.tokens, json_integer(json, "tokens", where, 0, kMost));
  PANAL_ASSIGN(counters.skipped_steps, json_integer(json, "skipped_steps", where, 0, kMost));
  PANAL_ASSIGN(counters.outlier_steps, json_integer(json, "outlier_steps", where, 0, kMost));
  PANAL_ASSIGN(counters.bad_steps_in_a_row,
               json_integer(json, "bad_steps_in_a_row", where, 0, kMost));
  PANAL_ASSIGN(counters.rollbacks, json_integer(json, "rollbacks", where, 0, kMost));
  for (const auto& [key, member] :
       {std::pair("smoothed_loss", &Counters::smoothed_loss),
        std::pair("lowest_smoothed_loss", &Counters::lowest_smoothed_loss)}) {
    if (!json_has(json, key)) continue;
    PANAL_ASSIGN(counters.*member, json_number(json, key, where, -1e300, 1e300));
  }
  PANAL_ASSIGN(counters.seconds, json_number(json, "seconds", where, 0, 1e18));
  PANAL_ASSIGN(counters.training_seconds, json_number(json, "training_seconds", where, 0, 1e18));
  PANAL_ASSIGN(counters.checkpoint_seconds,
               json_number(json, "checkpoint_seconds", where, 0, 1e18));
  PANAL_TRY(read_losses(json, where, counters));
  if (!json_has(json, "energy") || !json_has(json, "stream") || !json_has(json, "outliers")) {
    return Status(Code::kCorrupt, fmt::format("{}: energy, stream or outliers are missing", where));
  }
  counters.outliers = json["outliers"];
  PANAL_ASSIGN(counters.energy, work::from_json<work::EnergyReading>(json["energy"], where));
  counters.stream = json["stream"];
  for (const auto& [key, member] : kEvaluations) {
    if (!json_has(json, key)) continue;
    PANAL_ASSIGN(counters.*member, work::from_json<work::EvaluationPoint>(json[key], where));
  }
  return counters;
}

}  // namespace panal::train::detail
