// The energy of one piece of work, and how we know.
#pragma once

#include <optional>
#include <string>

namespace panal::work {

struct EnergyReading {
  std::optional<double> joules;  // Empty means unknown. 0 is only ever a measured or estimated 0.
  std::string method =
      "unknown";  // "measured:rapl-package", "measured:nvml", "estimated:cpu-time", "unknown", ...
  std::string detail;  // What was counted and what was assumed, for people.
};

}  // namespace panal::work
