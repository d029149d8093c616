#include "hub/detail/engine_events.h"

#include <string>

namespace panal::hub::detail {
namespace {

std::string text_of(const Json& line, const char* key) {
  return json_has(line, key) && line.at(key).is_string() ? line.at(key).get<std::string>() : "";
}

std::optional<double> number_of(const Json& line, const char* key) {
  if (!json_has(line, key) || !line.at(key).is_number()) return std::nullopt;
  return line.at(key).get<double>();
}

std::optional<std::int64_t> integer_of(const Json& line, const char* key) {
  if (!json_has(line, key) || !line.at(key).is_number_integer()) return std::nullopt;
  return line.at(key).get<std::int64_t>();
}

HeldOut held_out_of(const Json& line) {
  HeldOut found{.step = integer_of(line, "step").value_or(0),
                .loss = number_of(line, "loss"),
                .perplexity = number_of(line, "perplexity")};
  if (!json_has(line, "tasks") || !line.at("tasks").is_object()) return found;
  for (const auto& [task, scores] : line.at("tasks").items()) {
    if (!scores.is_object()) continue;
    if (const auto accuracy = number_of(scores, "acc")) found.accuracies[task] = *accuracy;
  }
  return found;
}

}  // namespace

std::optional<decltype(Event::what)> event_of_line(const Json& line) {
  const std::string name = text_of(line, "event");
  if (name == "message") return Message{text_of(line, "text")};
  if (name == "sample") return Sample{text_of(line, "text")};
  if (name == "evaluation") return held_out_of(line);
  if (name != "progress") return std::nullopt;
  const auto step = integer_of(line, "step");
  if (!step) return Advance{number_of(line, "fraction")};
  return TrainingProgress{.step = *step,
                          .steps = integer_of(line, "steps"),
                          .loss = number_of(line, "loss"),
                          .tokens_per_s = number_of(line, "tokens_per_s"),
                          .seconds_left = number_of(line, "seconds_left")};
}

}  // namespace panal::hub::detail
