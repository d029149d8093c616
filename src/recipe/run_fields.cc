// The role of every field of a run's config. A new field must be listed: a test fails until it is.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "recipe/run_identity.h"

namespace panal::recipe {
namespace {

using enum FieldRole;

struct ListedField {
  std::string_view name;  // A "*" stands for a position in a list; a last ".**" for all below.
  FieldRole role;
};

constexpr auto kFields = std::to_array<ListedField>({
    {"kind", kShapesWeights},
    {"name", kFree},
    {"seed", kShapesWeights},
    // "auto" is what this computer's instructions make of it: the run is the same one elsewhere,
    // and must be told so.
    {"precision", kKept},

    {"model.core", kInput},
    {"model.**", kShapesWeights},
    {"lora.rank", kShapesWeights},
    {"lora.alpha", kShapesWeights},
    {"lora.targets.*", kShapesWeights},
    {"lora.targets", kShapesWeights},
    {"lora.base_model_name", kFree},
    {"tokenizer.path", kInput},
    {"tokenizer.vocabulary_size", kShapesWeights},

    {"data.paths.*", kInput},
    {"data.sources.*.paths.*", kInput},
    {"data.sources.*.name", kShapesWeights},
    {"data.sources.*.weight", kShapesWeights},
    {"data.validation_path", kInput},
    {"data.validation_fraction", kShapesWeights},
    {"data.split_by", kShapesWeights},
    {"data.deduplicate", kShapesWeights},
    {"data.near_threshold", kShapesWeights},
    {"data.packing", kShapesWeights},
    {"data.text_column", kShapesWeights},
    {"data.special_tokens", kShapesWeights},
    {"data.train_on", kShapesWeights},
    {"data.passage_bytes", kShapesWeights},
    {"data.max_bytes", kFree},  // Over it nothing is read at all.

    {"optimizer.**", kShapesWeights},
    {"schedule.shape", kShapesWeights},
    {"schedule.warmup_fraction", kShapesWeights},
    {"schedule.warmup_steps", kShapesWeights},
    {"schedule.final_fraction", kShapesWeights},
    {"schedule.decay_fraction", kShapesWeights},
    {"batch.sequences", kShapesWeights},
    {"batch.context", kShapesWeights},
    {"batch.accumulate", kShapesWeights},
    {"batch.ramp_steps", kShapesWeights},
    {"stability.skip_outliers", kShapesWeights},
    {"stability.outlier_sigmas", kShapesWeights},
    {"stability.window", kShapesWeights},
    {"stability.bad_steps", kShapesWeights},
    {"stability.loss_rise", kShapesWeights},
    {"stability.rollbacks", kFree},  // A run that ended after so many may be given more.
    {"memory.weights", kShapesWeights},

    // How the same steps are computed, how often they are saved and looked at, and how many.
    {"memory.recompute", kFree},
    {"memory.states", kFree},
    {"parallel.processes", kFree},
    {"parallel.deadline_seconds", kFree},
    {"parallel.exchange", kFree},
    {"checkpoint.every_steps", kFree},
    {"checkpoint.every_seconds", kFree},
    {"checkpoint.keep", kFree},
    {"checkpoint.keep_every_steps", kFree},
    {"checkpoint.keep_best", kFree},
    {"checkpoint.asynchronous", kFree},
    {"checkpoint.verify", kFree},
    {"evaluation.every_steps", kFree},
    {"evaluation.max_tokens", kFree},
    {"evaluation.sample_prompt", kFree},
    {"evaluation.sample_tokens", kFree},
    {"evaluation.tasks.**", kFree},
    {"limits.steps", kFree},
    {"limits.max_seconds", kFree},
    {"limits.threads", kFree},
});

// "data.sources.3.weight" as "data.sources.*.weight".
std::string pattern_of(std::string_view field) {
  std::string pattern;
  while (!field.empty()) {
    const std::size_t dot = std::min(field.find('.'), field.size());
    const std::string_view part = field.substr(0, dot);
    const bool is_position = part.find_first_not_of("0123456789") == std::string_view::npos;
    if (!pattern.empty()) pattern += '.';
    pattern += is_position ? "*" : part;
    field.remove_prefix(std::min(dot + 1, field.size()));
  }
  return pattern;
}

bool matches(const ListedField& listed, std::string_view pattern) {
  constexpr std::string_view kAllBelow = "**";
  if (!listed.name.ends_with(kAllBelow)) return listed.name == pattern;
  return pattern.starts_with(listed.name.substr(0, listed.name.size() - kAllBelow.size()));
}

}  // namespace

std::optional<FieldRole> role_of(std::string_view field) {
  const std::string pattern = pattern_of(field);
  const auto listed =
      std::ranges::find_if(kFields, [&](const ListedField& one) { return matches(one, pattern); });
  return listed == kFields.end() ? std::nullopt : std::optional(listed->role);
}

}  // namespace panal::recipe
