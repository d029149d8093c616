// Who answered which part of a request, why, how fast and at what cost: what an answer says of
// itself beside its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "work/codec.h"
#include "work/energy_reading.h"

namespace panal::work {

struct RouteScore {
  std::string expert{};  // An expert's name, or "core".
  double score = 0;      // 0 to 1.
};

struct PartTrace {
  std::int64_t index = 0;
  std::string text{};  // What the person asked, in their words; shortened.
  std::string expert{};
  std::optional<std::string> model_version{};
  std::string why{};
  std::optional<double> confidence{};  // Of the router in the chosen expert, 0 to 1.
  std::vector<RouteScore> alternatives{};
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::optional<double> time_to_first_token_ms{};
  std::optional<double> tokens_per_s{};
  EnergyReading energy{};
  std::optional<std::string> finish_reason{};
  std::optional<std::string> fallback{};  // Why the core took over.
  std::optional<std::string> error{};     // Why nobody answered this part.
  std::vector<std::string> panel{};       // One line per candidate, with its scores.
};

struct TraceTotals {
  std::optional<double> tokens_per_s{};  // All completion tokens over wall time.
  EnergyReading energy{};                // Of all calls, candidates and failed ones included.
  std::optional<double> gco2{};
  std::string gco2_method{};
  double wall_ms = 0;
};

/// The "panal" object of an answer: to_json(), without a version, because the API has one.
struct Trace {
  std::string request_id{};
  std::string endpoint{};
  std::vector<PartTrace> parts{};
  TraceTotals totals{};
  std::optional<double> overhead_ms{};  // Wall time during which no expert was at work.
};

}  // namespace panal::work
