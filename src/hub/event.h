// What a call to the hive tells while it works. Values only: whoever listens may stand in another
// process or on another machine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>

namespace panal::hub {

/// A sentence for people.
struct Message {
  std::string text;
};

/// Text that a model in training wrote.
struct Sample {
  std::string text;
};

/// How far the activity is, from 0 to 1; empty when nobody knows.
struct Advance {
  std::optional<double> fraction;
};

/// Where a training run stands. What the engine did not say is empty.
struct TrainingProgress {
  std::int64_t step = 0;
  std::optional<std::int64_t> steps{};
  std::optional<double> loss{};  // Nats per token.
  std::optional<double> tokens_per_s{};
  std::optional<double> seconds_left{};
};

/// A look at held-out text in the course of a run.
struct HeldOut {
  std::int64_t step = 0;
  std::optional<double> loss{};  // Nats per token.
  std::optional<double> perplexity{};
  std::map<std::string, double> accuracies{};  // Of multiple-choice tasks, by name.
};

struct Event {
  std::string activity;  // What is going on, for people: "checking every tensor".
  std::variant<Message, Sample, Advance, TrainingProgress, HeldOut> what;
};

/// Who follows a call, and how it is stopped. Listens on the thread of the call.
struct Watch {
  std::function<void(const Event&)> on_event{};  // May be empty: nobody follows.
  std::stop_token stop{};

  template <typename What>
  void tell(std::string activity, What&& what) const {
    if (on_event) on_event(Event{std::move(activity), std::forward<What>(what)});
  }
};

}  // namespace panal::hub
