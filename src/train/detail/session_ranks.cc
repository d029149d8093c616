// A session of several ranks: rank 0 leads, as if it were alone, and tells the others what to do
// next; they decide nothing, so no two ranks can decide differently.
#include <fmt/format.h>

#include "base/error.h"
#include "machine/resident_memory.h"
#include "train/detail/session.h"

namespace panal::train::detail {

Status Session::order(Order order) {
  if (num_ranks() == 1) return Status();
  return environment_.group->broadcast_bytes(std::as_writable_bytes(std::span(&order, 1)), 0);
}

Status Session::adopt_number(std::int64_t& number) {
  if (num_ranks() == 1) return Status();
  return environment_.group->broadcast_bytes(std::as_writable_bytes(std::span(&number, 1)), 0);
}

Result<std::vector<std::int64_t>> Session::gathered_peaks() const {
  std::vector<std::int64_t> peaks(static_cast<std::size_t>(num_ranks()));
  const auto rank = num_ranks() == 1 ? 0 : static_cast<std::size_t>(environment_.group->rank());
  peaks[rank] = machine::peak_resident_bytes().value_or(0);
  if (num_ranks() == 1) return peaks;
  const auto bytes = std::as_writable_bytes(std::span(peaks));
  PANAL_TRY(
      environment_.group->all_gather_bytes(bytes, swarm::equal_parts(bytes.size(), num_ranks())));
  return peaks;
}

Result<std::vector<std::int64_t>> Session::ask_for_peaks() {
  if (num_ranks() > 1 && !others_follow_) return std::vector<std::int64_t>();
  PANAL_TRY(order(Order::kTellPeak));
  return gathered_peaks();
}

Status Session::at_evaluation_point(const std::function<Status()>& work) {
  // Before the first step the two points are one, and the others wait for agree().
  const bool shows = num_ranks() == 1 || counters_.step > 0;
  const auto show = [&](Order what, bool shown) -> Status {
    if (!shows) return Status();
    PANAL_TRY(order(what));
    trainer_->show_evaluation_point(shown);
    return Status();
  };
  PANAL_TRY(show(Order::kShowEvaluationPoint, true));
  Status done;
  {
    const SignOfLife busy(environment_.group);
    done = capture(work);
  }
  PANAL_TRY(show(Order::kShowTrainingPoint, false));
  return done;
}

Status Session::meet() { return num_ranks() == 1 ? Status() : environment_.group->barrier(); }

// Others read no checkpoint: whichever rank 0 could use, they begin where it does.
Status Session::agree() {
  if (num_ranks() == 1) return Status();
  swarm::Group& group = *environment_.group;
  trainer_->adopt_from_first_rank();
  PANAL_ASSIGN(const std::string text,
               broadcast_text(group, group.rank() == 0
                                         ? to_line({{"step", counters_.step},
                                                    {"steps", plan_->steps},  // 0: not known yet.
                                                    {"stream", trainer_->stream().state()}})
                                         : std::string()));
  if (group.rank() == 0) return Status();
  constexpr std::string_view kWhere = "position of rank 0";
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  PANAL_ASSIGN(const Json position, parse_json(text, kWhere));
  PANAL_ASSIGN(counters_.step, json_integer(position, "step", kWhere, 0, kMost));
  plan_ = Plan{};
  PANAL_ASSIGN(plan_->steps, json_integer(position, "steps", kWhere, 0, kMost));
  if (!json_has(position, "stream")) return Status(Code::kCorrupt, "rank 0 sent no position");
  return trainer_->stream().restore(position["stream"]);
}

Result<TrainSummary> Session::follow() {
  for (const auto part : {&Session::meet, &Session::open_data, &Session::open_trainer,
                          &Session::agree, &Session::make_plan}) {
    PANAL_TRY((this->*part)());
  }
  while (true) {
    Order next = Order::kEnd;
    PANAL_TRY(environment_.group->broadcast_bytes(std::as_writable_bytes(std::span(&next, 1)), 0));
    switch (next) {
      case Order::kStep:
        trainer_->step(schedule_of(config_, plan_->steps), counters_.step);
        ++counters_.step;
        break;
      case Order::kGather:
        trainer_->gather_state();
        break;
      case Order::kAgree:
        PANAL_TRY(agree());
        break;
      case Order::kShowEvaluationPoint:
        trainer_->show_evaluation_point(true);
        break;
      case Order::kShowTrainingPoint:
        trainer_->show_evaluation_point(false);
        break;
      case Order::kTellPeak:
        PANAL_TRY(gathered_peaks().status());
        break;
      case Order::kEnd: {
        TrainSummary summary;
        summary.status = RunStatus::kCompleted;
        summary.kind = config_.kind;
        summary.steps = counters_.step;
        return summary;
      }
    }
  }
}

}  // namespace panal::train::detail
