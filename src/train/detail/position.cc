#include "train/detail/position.h"

#include <string>

namespace panal::train::detail {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;

}  // namespace

Result<Position> agree(const Ranks& ranks, Trainer& trainer, const Position& own) {
  if (ranks.is_alone()) return own;
  trainer.adopt_from_first_rank();
  PANAL_ASSIGN(
      const std::string text,
      ranks.adopt_text(to_line(
          {{"step", own.step}, {"steps", own.steps}, {"stream", trainer.stream().state()}})));
  if (ranks.leads()) return own;
  constexpr std::string_view kWhere = "position of rank 0";
  PANAL_ASSIGN(const Json json, parse_json(text, kWhere));
  Position position;
  PANAL_ASSIGN(position.step, json_integer(json, "step", kWhere, 0, kMost));
  PANAL_ASSIGN(position.steps, json_integer(json, "steps", kWhere, 0, kMost));
  if (!json_has(json, "stream")) return Status(Code::kCorrupt, "rank 0 sent no position");
  PANAL_TRY(trainer.stream().restore(json["stream"]));
  return position;
}

}  // namespace panal::train::detail
