// What a training run is told, read strictly from YAML: an unknown key, a wrong type or an
// impossible value is one sentence with file and line, before any data is touched.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/choice_task.h"
#include "data/deduplicate.h"
#include "data/encode_conversation.h"
#include "data/token_stream.h"
#include "machine/inventory.h"
#include "recipe/model_config.h"
#include "recipe/optimizer.h"
#include "recipe/recompute.h"
#include "recipe/schedule.h"
#include "tensor/precision.h"
#include "tokenizer/tokenizer.h"

namespace panal::recipe {

enum class RunKind {
  kPretrain,  // A fresh decoder from text.
  kLora,      // An adapter (LoRA) over a frozen core.
};

/// "pretrain" or "lora".
std::string_view run_kind_name(RunKind kind);

inline constexpr std::int64_t kMostProcesses = 64;  // Of one site.

/// All of a run. Paths are used as they are (relative to the working directory). In YAML the
/// members are sections of the same names; docs/guides has a commented example of each kind.
struct RunConfig {
  RunKind kind = RunKind::kPretrain;
  std::string name = "run";  // For people and lineage.
  std::uint64_t seed = 1;    // Of weights, data order and samples.
  /// "auto", "cpu" or "cuda" (tensor/device.h): of this call; a resume may go elsewhere.
  std::string device = "auto";
  /// On a CUDA device passes are captured and replayed (tensor/cuda_graph.h); "cuda_graphs: off"
  /// for a library that cannot.
  bool cuda_graphs = true;
  /// Of the products ("precision": auto, fp32 or bf16); "auto" is bf16 where the device has it.
  tensor::Precision precision = tensor::Precision::kFloat32;

  /// Section "model". For kPretrain its dimensions, all of them or those that differ from `preset`
  /// (model/presets.h; vocabulary_size comes from the tokenizer, which by default gets the preset's
  /// when it is trained); for
  /// kLora only `core`.
  struct Model {
    ModelConfig dimensions;
    std::filesystem::path core;  // kLora: folder or .gguf of the frozen core.
  } model;

  /// Section "lora", kLora only.
  struct Lora {
    std::int64_t rank = 8;             // 1 to 1024.
    double alpha = 16.0;               // Over 0.
    std::vector<std::string> targets;  // Names of linear layers; empty: all.
    std::string base_model_name;       // Written to adapter_config.json; default: the core's path.
  } lora;

  /// Section "tokenizer", kPretrain only: an existing one, or one trained on the training
  /// documents.
  struct Tokenizer {
    std::filesystem::path path;           // Folder or file; empty: train one.
    std::int64_t vocabulary_size = 4096;  // Of the trained one: 300 to 1,000,000.
  } tokenizer;

  /// Section "data".
  struct Data {
    std::vector<std::filesystem::path>
        paths;  // Text files, folders or JSONL datasets: "path" or "paths". Empty with sources.
    /// "sources": instead of paths, texts that windows are drawn from in proportion to weights.
    struct Source {
      std::string name{};  // Letters, digits, '-' and '_', up to 64; it names the source's shard.
      std::vector<std::filesystem::path> paths;
      double weight = 1.0;  // 1e-9 to 1e9; shares are weights over their sum.
    };
    std::vector<Source> sources;
    data::Deduplication deduplicate = data::Deduplication::kOff;
    double near_threshold = 0.8;  // Similarity from which "near" removes: 0.5 to 1.
    data::Packing packing = data::Packing::kAcrossDocuments;
    std::string text_column;  // Of JSON and tables: the member with the text; "": as known.
    data::TrainOn train_on = data::TrainOn::kAssistant;  // Of conversations.
    /// Of plain texts: kParse ("read") or kAsText ("none"); not given: as the dataset says.
    std::optional<tokenizer::SpecialTokens> special_tokens{};
    std::filesystem::path
        validation_path;  // Held-out documents; empty: split off by validation_fraction.
    double validation_fraction = 0.05;  // 0 to 0.5; 0: no validation.
    bool split_by_source = false;       // "split_by": passage or source.
    std::int64_t passage_bytes = 4096;  // Long texts are cut near this; 0 keeps them whole.
    std::int64_t max_bytes = std::int64_t{4} << 30;  // Of text in memory.
  } data;

  OptimizerConfig optimizer;  // Section "optimizer": rule, learning_rate, rules, ... (docs/guides)
  double clip_norm = 1.0;     // Also there; 0: no clipping.
  /// Also there; with Muon this is MuonClip. kPretrain without QK-norm.
  std::optional<QkClipConfig> qk_clip;

  /// Section "schedule".
  struct Schedule {
    ScheduleShape shape = ScheduleShape::kCosine;
    double warmup_fraction = 0.05;             // Of the planned steps.
    std::optional<std::int64_t> warmup_steps;  // Instead of the fraction.
    double final_fraction = 0.1;
    double decay_fraction = 0.2;
  } schedule;

  /// Section "batch". One update sees sequences * accumulate * context tokens, which may be given
  /// as "tokens" in place of "accumulate".
  struct Batch {
    std::int64_t sequences = 8;
    std::int64_t context = 256;
    std::int64_t accumulate = 1;
    /// Updates over which the micro-batches of one update grow from 1 to `accumulate`; 0: all from
    /// the start.
    std::int64_t ramp_steps = 0;
  } batch;

  /// Section "parallel": processes of this machine that share each batch. The batch and the result
  /// stay what they are with one.
  struct Parallel {
    std::int64_t processes = 1;      // 1 to kMostProcesses, at most batch.sequences.
    double deadline_seconds = 60.0;  // A process silent for longer is lost. 1 to 86,400.
    /// "exchange: host" in place of "auto": CUDA devices exchange through the host's memory, also
    /// where NCCL could do it from device to device.
    bool is_through_host = false;
  } parallel;

  /// Section "memory": what a step holds (docs/guides/pretraining.md). The optimizer's states are
  /// optimizer.state_precision.
  struct Memory {
    /// Of the matrices; kBFloat16 needs kPretrain and bf16 products.
    tensor::Precision weights = tensor::Precision::kFloat32;
    Recompute recompute = Recompute::kNone;
    /// Optimizer states live in the host's memory also where training is on a CUDA device, which
    /// has those of two parameters at a time. Not with qk_clip, which changes weights by itself.
    bool has_states_on_host = false;
  } memory;

  /// Section "checkpoint".
  struct Checkpoint {
    std::int64_t every_steps = 0;       // 0: by time only.
    double every_seconds = 30.0;        // 0: by steps only.
    std::int64_t keep = 2;              // Newest ones kept; 1 or more.
    std::int64_t keep_every_steps = 0;  // Those of every so many steps stay for good; 0: none.
    bool keep_best = false;  // Saves at each new lowest validation loss and keeps that one too.
    /// Written by a thread from a copy of the state in host memory; false: no copy, training waits.
    bool asynchronous = true;
    bool verify = false;  // Reads each one back and compares before older ones go.
  } checkpoint;

  /// Section "stability": what happens to steps and runs that go wrong.
  struct Stability {
    bool skip_outliers = true;    // "auto" or "off".
    double outlier_sigmas = 6.0;  // Deviations over the mean of the last accepted steps; 1 to 100.
    std::int64_t window = 128;    // Those steps; 4 to 100,000.
    std::int64_t bad_steps = 5;   // Skipped ones in a row that mean the run diverged; 1 to 1000.
    double loss_rise = 1.5;       // Likewise of the smoothed loss over its lowest, nats; 0: never.
    std::int64_t rollbacks = 3;   // Then a diverged run ends; 0 to 1000.
  } stability;

  /// Section "evaluation".
  struct Evaluation {
    std::int64_t every_steps = 0;    // 0: four times in between (kPretrain), begin and end (kLora).
    std::int64_t max_tokens = 8192;  // Of validation text; 2 or more; 2048 for kLora.
    std::string sample_prompt;       // kPretrain: text the sample goes on from.
    std::int64_t sample_tokens = 64;  // 0: no sample.
    /// Multiple choice, asked whenever validation text is scored; data/choice_task.h says how.
    struct Task {
      std::string name{};  // Letters, digits, '-' and '_'; each once.
      std::filesystem::path path{};
      data::ChoiceFormat format = data::ChoiceFormat::kChoices;
      data::ChoiceTaskOptions options{};
    };
    std::vector<Task> tasks;  // At most 64.
  } evaluation;

  /// Section "limits": at least one of steps and max_seconds.
  struct Limits {
    std::optional<std::int64_t> steps;
    /// Wall time of the whole run over all its resumes, preparation and final evaluation included.
    /// With `steps` it only ends the run early; alone it decides the number of steps, by measuring,
    /// and again while no learning rate depends on the number.
    std::optional<double> max_seconds;
    std::int64_t threads = 0;  // Compute threads of each process; 0: as it has them.
                               // With several processes: its share of the cores.
  } limits;

  std::filesystem::path run_directory;  // Not in YAML: the caller's.
};

/// What a run is judged by beside its file: the computer it is for.
struct RunsOn {
  bool multiplies_bfloat16 = machine::cpu_multiplies_bfloat16();
  /// Why so many processes cannot train on CUDA devices there, as the end of a sentence; empty text
  /// when they can. Without the function "device" is taken as the file has it.
  std::function<std::string(int processes)> why_no_cuda{};
};

/// Parses and checks everything that needs no other file. `name` is the file's name in messages;
/// relative data, tokenizer and core paths are taken from `base_directory` when it is not empty.
Result<RunConfig> parse_run_config(std::string_view yaml, std::string name,
                                   const std::filesystem::path& base_directory = {},
                                   const RunsOn& runs_on = {});

/// That so many processes can share the run. Errors: kInvalidArgument.
Status check_processes(const RunConfig& config);

/// The whole resolved config in the structure of the YAML: parse_run_config(to_line(json)) gives
/// the config back (but for run_directory).
Json run_config_to_json(const RunConfig& config);

}  // namespace panal::recipe
