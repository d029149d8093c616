#include "train/detail/evaluation_json.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace panal::train {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;
constexpr std::size_t kMostTasks = 64;

constexpr std::array<std::pair<const char*, std::optional<double> TaskScore::*>, 2> kErrors{{
    {"acc_stderr", &TaskScore::acc_standard_error},
    {"acc_norm_stderr", &TaskScore::acc_norm_standard_error},
}};

Json optional_number(const std::optional<double>& number) {
  return number ? Json(*number) : Json(nullptr);
}

Result<TaskScore> task_from_json(const std::string& name, const Json& json,
                                 std::string_view where) {
  TaskScore task{.name = name};
  PANAL_ASSIGN(task.items, json_integer(json, "items", where, 1, kMost));
  PANAL_ASSIGN(task.acc, json_number(json, "acc", where, 0, 1));
  PANAL_ASSIGN(task.acc_norm, json_number(json, "acc_norm", where, 0, 1));
  for (const auto& [key, member] : kErrors) {
    if (!json_has(json, key) || json.at(key).is_null()) continue;
    PANAL_ASSIGN(task.*member, json_number(json, key, where, 0, 1));
  }
  return task;
}

}  // namespace

Json evaluation_to_json(const EvaluationPoint& point) {
  Json json = {{"step", point.step},
               {"tokens", point.tokens},
               {"loss", point.loss},
               {"perplexity", point.perplexity},
               {"bits_per_byte", optional_number(point.bits_per_byte)}};
  for (const TaskScore& task : point.tasks) {
    json["tasks"][task.name] = {
        {"items", task.items}, {"acc", task.acc}, {"acc_norm", task.acc_norm}};
    for (const auto& [key, member] : kErrors) {
      json["tasks"][task.name][key] = optional_number(task.*member);
    }
  }
  return json;
}

Result<EvaluationPoint> detail::evaluation_from_json(const Json& json, std::string_view where) {
  EvaluationPoint point;
  PANAL_ASSIGN(point.step, json_integer(json, "step", where, 0, kMost));
  PANAL_ASSIGN(point.tokens, json_integer(json, "tokens", where, 1, kMost));
  PANAL_ASSIGN(point.loss, json_number(json, "loss", where, 0, 1e300));
  PANAL_ASSIGN(point.perplexity, json_number(json, "perplexity", where, 0, 1e308));
  if (json_has(json, "bits_per_byte") && !json.at("bits_per_byte").is_null()) {
    PANAL_ASSIGN(point.bits_per_byte, json_number(json, "bits_per_byte", where, 0, 1e300));
  }
  if (!json_has(json, "tasks")) return point;
  const Json& tasks = json.at("tasks");
  if (!tasks.is_object() || tasks.size() > kMostTasks) {
    return Status(Code::kCorrupt,
                  fmt::format("{}: tasks must be at most {} named scores", where, kMostTasks));
  }
  for (const auto& [name, score] : tasks.items()) {
    PANAL_ASSIGN(TaskScore task, task_from_json(name, score, where));
    point.tasks.push_back(std::move(task));
  }
  return point;
}

}  // namespace panal::train
