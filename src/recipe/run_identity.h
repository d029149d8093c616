// Which run a config and its data are: what shapes the weights, and what its files hold. How a file
// is written, where it lies, how long the run may take and how often it is looked at are no part of
// it, so a run goes on when these change.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "recipe/run_config.h"

namespace panal::recipe {

/// What another value of a config's field means for a run that has begun.
enum class FieldRole : std::uint8_t {
  kShapesWeights,  // It is another run.
  kInput,          // A path: it is another run when what it leads to is.
  kKept,           // It must stay, and is no part of a run's name: this computer may decide it.
  kFree,           // It may change when the run goes on.
};

/// Of a field of run_config_to_json: "data.sources.0.weight". Nothing for one that run_fields.cc
/// does not list; the tests see to it that there is none.
std::optional<FieldRole> role_of(std::string_view field);

struct RunIdentity {
  /// Field to value as JSON, of those that shape weights.
  std::map<std::string, std::string> fields;
  /// "data.paths", "data.sources NAME", "data.validation_path", "tokenizer.path", "model.core": to
  /// the digest of what is there (store/content_digest.h).
  std::map<std::string, std::string> inputs;

  /// 64 hexadecimal digits.
  std::string id() const;
  bool operator==(const RunIdentity&) const = default;
};

/// Reads all of the run's data, tokenizer and core, at the speed of disk and memory. Errors:
/// kNotFound, kUnavailable, kInvalidArgument naming field and path.
Result<RunIdentity> identify(const RunConfig& config);

Json identity_to_json(const RunIdentity& identity);
/// Untrusted. Errors: kCorrupt or kInvalidArgument naming `where`.
Result<RunIdentity> identity_from_json(const Json& json, std::string_view where);

/// What makes two runs different, for people: "optimizer.learning_rate was 0.003 and is 0.004",
/// "what data.paths leads to has changed". Empty: they are one.
std::vector<std::string> differences(const RunIdentity& before, const RunIdentity& now);

}  // namespace panal::recipe
