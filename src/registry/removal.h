// Taking something out of the catalogue: what goes, what would go with it, what forbids it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace panal::registry {

struct RemovalOptions {
  bool force = false;    // Also what cannot live without it.
  bool dry_run = false;  // Only tell: nothing changes.
};

/// What a removal did, or would do. Every line is for people.
struct Removal {
  std::vector<std::string> removed{};     // "model bee@1".
  std::vector<std::string> dependents{};  // Go with it, and only by force: "expert team/wax@1".
  std::vector<std::string> refused_by{};  // Must end or be taken away first, force or not.
  std::vector<std::string> named_by{};    // Stay, and go on naming it in their lineage.
  std::uint64_t freed_bytes = 0;          // Of content that nothing else refers to.
  bool is_done = false;
};
Json to_json(const Removal& removal);

/// kConflict where something forbids the removal, or something goes along that nobody agreed to.
Status check_allowed(const Removal& removal, const RemovalOptions& options);

}  // namespace panal::registry
