// What the catalogue knows about a model: immutable files and lineage, a state that only moves
// along the lifecycle, and the checks that let it move.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace panal::registry {

enum class ModelKind {
  kBase,     // A whole model: a GGUF file, or a folder in Hugging Face layout.
  kAdapter,  // A LoRA expert for one base model: adapter_config.json and adapter_model.safetensors.
};
std::string_view kind_name(ModelKind kind);  // "base", "adapter"

/// candidate: registered, not trusted yet. Entered by add_model() and from retired.
/// ready: its checks passed. Entered from candidate, and from preferred when another version took
/// its place. preferred: what the bare name means; at most one version of a name. Entered from
/// ready. retired: kept for lineage, never chosen. Entered from every other state, unless a
/// deployment uses it.
enum class Lifecycle { kCandidate, kReady, kPreferred, kRetired };
std::string_view lifecycle_name(Lifecycle state);
/// Errors: kInvalidArgument lists the four states.
Result<Lifecycle> lifecycle_from_name(std::string_view name);
bool is_legal_transition(Lifecycle from, Lifecycle to);

/// Where a model comes from. Every field may be empty: unknown.
struct Lineage {
  std::string dataset_sha256{};  // Of the JSONL it learnt from.
  std::string code_version{};    // Commit of panal.
  std::string config_sha256{};   // Of the run's configuration.
  std::string run_id{};
  std::string
      parent{};  // "name@version": of an adapter its base model, of a fine-tune where it began.
  std::string source{};  // The file or address it was imported from.
  Json details =
      Json::object();  // What else is worth keeping: seeds, measured energy, tool versions.
};
Json to_json(const Lineage& lineage);
Lineage lineage_from_json(const Json& json);

/// The part of a dataset that an expert learnt.
struct LearntPartition {
  std::int64_t partitioning = 0;  // Its id, from 1.
  std::string label{};
};
/// As "partitioning" and "partition" of the lineage's details say it; nothing unless both do.
std::optional<LearntPartition> learnt_partition(const Lineage& lineage);

struct ModelFile {
  std::string name{};  // As engines expect it: "model.safetensors".
  std::string blob{};  // SHA-256.
  std::uint64_t num_bytes = 0;
};

struct ModelVersion {
  std::int64_t id = 0;
  ModelKind kind = ModelKind::kBase;
  std::string name{};
  std::int64_t version = 0;  // 1, 2, ... within the name.
  Lifecycle state = Lifecycle::kCandidate;
  std::int64_t created_unix_ms = 0;
  std::vector<ModelFile> files{};  // In order of name.
  Json architecture =
      Json::object();  // A summary for people and for planning: layers, width, parameters.
  Lineage lineage{};

  std::string label() const { return name + "@" + std::to_string(version); }
  std::uint64_t num_bytes() const;
};
Json to_json(const ModelVersion& model);

struct NewModel {
  ModelKind kind = ModelKind::kBase;
  /// [a-z0-9][a-z0-9._-]{0,63}; an adapter may have two such parts, "smollm2/legal". The last part
  /// of those two must not be a number.
  std::string name{};
  std::map<std::string, std::filesystem::path>
      files{};  // Name inside the model -> where to read it.
  Json architecture = Json::object();
  Lineage lineage{};
  /// When a version of this name that is not retired has exactly these files, give that one back
  /// instead of making another: importing twice is harmless.
  bool reuse_identical = false;
};

/// One check of a model version: a measurement, and whether it passed where passing has a meaning.
struct Evaluation {
  std::int64_t id = 0;
  std::string check{};   // "perplexity:legal", "loads", "beats-core".
  std::string metric{};  // "perplexity", "tokens_per_s".
  /// Empty when there is no number; infinite or NaN are stored as empty.
  std::optional<double> value{};
  /// Empty for a plain measurement, which neither opens nor bars the way to ready.
  std::optional<bool> passed{};
  Json details = Json::object();
  std::int64_t created_unix_ms = 0;
};
Json to_json(const Evaluation& evaluation);

/// One step of a version's life. The first one of every version is candidate -> candidate,
/// "registered".
struct Transition {
  Lifecycle from = Lifecycle::kCandidate;
  Lifecycle to = Lifecycle::kCandidate;
  std::string reason{};
  std::int64_t at_unix_ms = 0;
};

/// What a reference means, and why: "version 3 was asked for", "version 2 is preferred", "version 4
/// is the latest ready one", "version 1 is the latest candidate; none is ready".
struct Resolved {
  ModelVersion model{};
  std::string why{};
};

/// Errors: kInvalidArgument with the rule and what was found; "auto" means the default endpoint,
/// and "core" an endpoint's core, so that no expert may be called so.
Status check_model_name(std::string_view name, ModelKind kind);
/// One part, and not "auto".
Status check_endpoint_name(std::string_view name);
/// For datasets and kinds of jobs: one part.
Status check_name(std::string_view name, std::string_view what);
/// A plain name: no '/', no leading '.', at most 200 bytes, no control characters.
Status check_file_name(std::string_view name);

}  // namespace panal::registry
