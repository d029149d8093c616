#include "train/detail/position.h"

#include <string>

namespace panal::train::detail {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;
constexpr std::string_view kWhere = "position of rank 0";

}  // namespace

Result<Position> agree(const Ranks& ranks, Trainer& trainer, const Position& own) {
  if (ranks.is_alone()) return own;
  trainer.adopt_from_first_rank();
  PANAL_ASSIGN(const std::string text,
               ranks.adopt_text(to_line({{"step", own.step},
                                         {"plan", own.plan.to_json()},
                                         {"stream", trainer.stream().state()}})));
  if (ranks.leads()) return own;
  PANAL_ASSIGN(const Json json, parse_json(text, kWhere));
  Position position;
  PANAL_ASSIGN(position.step, json_integer(json, "step", kWhere, 0, kMost));
  if (!json_has(json, "stream") || !json_has(json, "plan")) {
    return Status(Code::kCorrupt, "rank 0 sent no position");
  }
  PANAL_ASSIGN(position.plan, StepPlan::from_json(json["plan"], kWhere));
  PANAL_TRY(trainer.stream().restore(json["stream"]));
  return position;
}

Status agree_on_plan(const Ranks& ranks, StepPlan& plan) {
  if (ranks.is_alone()) return Status();
  PANAL_ASSIGN(const std::string text, ranks.adopt_text(to_line(plan.to_json())));
  if (ranks.leads()) return Status();
  PANAL_ASSIGN(const Json json, parse_json(text, kWhere));
  PANAL_ASSIGN(plan, StepPlan::from_json(json, kWhere));
  return Status();
}

}  // namespace panal::train::detail
