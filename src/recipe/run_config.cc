// Reads the sections of a run's YAML in plain lines; ConfigReader remembers what was wrong and
// finish() tells the first of it. Defaults that depend on the kind of run are set before reading.
#include "recipe/run_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/config.h"
#include "recipe/detail/optimizer_section.h"
#include "recipe/presets.h"

namespace panal::recipe {
namespace {

constexpr std::int64_t kMany = 1'000'000'000;
constexpr double kLong = 1e9;
constexpr std::size_t kMostSources = 256;
constexpr std::size_t kMostTasks = 64;
constexpr std::int64_t kMostPasses = 1 << 16;  // Forward and backward, of an update.

std::filesystem::path resolved(const std::string& text, const std::filesystem::path& base) {
  const std::filesystem::path path(text);
  return path.empty() || path.is_absolute() || base.empty() ? path : base / path;
}

RopeScaling read_rope_scaling(ConfigReader section, const RopeScaling& usual) {
  using Kind = RopeScaling::Kind;
  RopeScaling scaling;
  const std::string kind = section.choice("kind", std::string(rope_scaling_name(usual.kind)),
                                          {"none", "linear", "llama3"});
  scaling.kind = kind == "linear" ? Kind::kLinear : kind == "llama3" ? Kind::kLlama3 : Kind::kNone;
  if (scaling.kind == usual.kind) scaling = usual;
  if (scaling.kind == Kind::kNone) return scaling;  // Other keys would be without effect: unknown.
  scaling.factor = section.number("factor", scaling.factor, 1.0, 1e6);
  if (scaling.kind == Kind::kLinear) return scaling;
  scaling.low_frequency_factor =
      section.number("low_frequency_factor", scaling.low_frequency_factor, 1e-6, 1e6);
  scaling.high_frequency_factor =
      section.number("high_frequency_factor", scaling.high_frequency_factor, 1e-6, 1e6);
  scaling.original_context_length =
      section.integer("original_context_length", scaling.original_context_length, 1, 1 << 20);
  return scaling;
}

// What a model can have beside its sizes. `usual` is the preset's config, or an empty one.
void read_features(ConfigReader& section, const ModelConfig& usual, ModelConfig& model) {
  const bool is_gpt2 = model.architecture == Architecture::kGpt2;
  model.rope_base = section.number("rope_base", usual.rope_base, 1.0, 1e9);
  model.rope_scaling = read_rope_scaling(section.section("rope_scaling"), usual.rope_scaling);
  model.norm_epsilon = section.number("norm_epsilon", usual.norm_epsilon, 1e-12, 0.1);
  model.tied_embeddings = section.flag("tied_embeddings", usual.tied_embeddings);
  model.attention_bias = section.flag("attention_bias", is_gpt2 || usual.attention_bias);
  model.attention_output_bias = section.flag("attention_output_bias", usual.attention_output_bias);
  model.qk_norm = section.flag("qk_norm", usual.qk_norm);
  model.logit_soft_cap = section.number("logit_soft_cap", usual.logit_soft_cap, 0.0, 1e6);
  if (model.logit_soft_cap != 0 && model.logit_soft_cap < 1) {
    section.reject("logit_soft_cap",
                   fmt::format("must be 0 (none) or 1 to 1e6, found {}", model.logit_soft_cap));
  }
  if (!is_gpt2) return;
  for (const char* key : {"qk_norm", "attention_output_bias", "rope_scaling"}) {
    const bool is_set = key == std::string_view("qk_norm") ? model.qk_norm
                        : key == std::string_view("rope_scaling")
                            ? model.rope_scaling.kind != RopeScaling::Kind::kNone
                            : model.attention_output_bias;
    if (is_set) section.reject(key, "is for architecture llama; gpt2 has none");
  }
  if (!model.attention_bias) section.reject("attention_bias", "must be true for architecture gpt2");
}

// Two matrices or three: the usual width of the feed-forward part depends on it.
Activation read_activation(ConfigReader& section, const ModelConfig& model) {
  using enum Activation;
  const std::string usual(activation_name(model.actual_activation()));
  const bool is_gpt2 = model.architecture == Architecture::kGpt2;
  const std::vector<std::string> allowed =
      is_gpt2 ? std::vector<std::string>{"gelu", "relu_squared"}
              : std::vector<std::string>{"swiglu", "gelu", "relu_squared"};
  const std::string name = section.choice("activation", usual, allowed);
  if (name == usual) return model.activation;
  return name == "gelu" ? kGelu : name == "swiglu" ? kSwiglu : kReluSquared;
}

const Preset* read_preset(ConfigReader& section) {
  if (!section.has("preset")) {
    (void)section.text("preset", "");  // So that a misspelt key finds it.
    return nullptr;
  }
  return find_preset(section.choice("preset", "", preset_names()));
}

void read_dimensions(ConfigReader section, const Preset* preset, const RunConfig& config,
                     ModelConfig& model) {
  const ModelConfig usual = preset == nullptr ? ModelConfig{} : preset->config;
  const std::string architecture(architecture_name(usual.architecture));
  const bool is_gpt2 = section.choice("architecture", architecture, {"llama", "gpt2"}) == "gpt2";
  model.architecture = is_gpt2 ? Architecture::kGpt2 : Architecture::kLlama;
  if (preset != nullptr && model.architecture != usual.architecture) {
    section.reject("architecture",
                   fmt::format("must be {} beside preset {}", architecture, preset->name));
  }
  const auto or_else = [&](std::int64_t of_preset, std::int64_t otherwise) {
    return preset != nullptr ? of_preset : otherwise;
  };
  model.activation = read_activation(section, model);
  model.vocabulary_size = config.tokenizer.vocabulary_size;
  model.width = section.integer("width", or_else(usual.width, 256), 8, 1 << 16);
  model.layers = section.integer("layers", or_else(usual.layers, 6), 1, 1024);
  const std::int64_t heads = std::max<std::int64_t>(1, model.width / 64);
  model.heads = section.integer("heads", or_else(usual.heads, heads), 1, 1024);
  const bool keeps_heads = preset != nullptr && model.heads == usual.heads;
  model.key_value_heads = section.integer(
      "key_value_heads", keeps_heads ? usual.key_value_heads : model.heads, 1, 1024);
  model.head_width = section.integer("head_width", model.width / model.heads, 1, 1 << 16);
  const bool keeps_inner =
      preset != nullptr && model.width == usual.width && model.is_gated() == usual.is_gated();
  model.feed_forward_width = section.integer(
      "feed_forward_width",
      keeps_inner ? usual.feed_forward_width
                  : usual_feed_forward_width(model.architecture, model.width, model.activation),
      1, 1 << 20);
  model.context_length =
      section.integer("context_length", or_else(usual.context_length, config.batch.context), 2,
                      std::int64_t{1} << 24);
  read_features(section, usual, model);
  if (const Status status = validate(model); !status.ok()) {
    section.reject("width", "and the other dimensions do not fit: " + status.message());
  }
  if (config.batch.context > model.context_length) {
    section.reject("context_length", fmt::format("must be at least batch.context {}, found {}",
                                                 config.batch.context, model.context_length));
  }
}

void read_batch(ConfigReader section, RunConfig& config) {
  auto& batch = config.batch;
  batch.sequences = section.integer("sequences", batch.sequences, 1, 1 << 16);
  batch.context = section.integer("context", batch.context, 2, 1 << 24);
  const std::int64_t pass = batch.sequences * batch.context;
  if (section.has("tokens")) {
    if (section.has("accumulate")) {
      section.reject("tokens", "takes the place of \"accumulate\"; one of them must go");
    }
    const std::int64_t tokens = section.integer("tokens", pass, 1, std::int64_t{1} << 50);
    if (tokens % pass != 0 || tokens / pass > kMostPasses) {
      section.reject("tokens",
                     fmt::format("must be 1 to {} times sequences x context = {}, found {}",
                                 kMostPasses, pass, tokens));
    } else {
      batch.accumulate = tokens / pass;
    }
  } else {
    batch.accumulate = section.integer("accumulate", batch.accumulate, 1, kMostPasses);
  }
  batch.ramp_steps = section.integer("ramp_steps", batch.ramp_steps, 0, kMany);
  if (batch.ramp_steps > 0 && batch.accumulate == 1) {
    section.reject("ramp_steps", "grows the micro-batches to \"accumulate\", which must be over 1");
  }
}

void read_parallel(ConfigReader section, RunConfig& config) {
  auto& parallel = config.parallel;
  parallel.processes = section.integer("processes", parallel.processes, 1, kMostProcesses);
  parallel.deadline_seconds =
      section.number("deadline_seconds", parallel.deadline_seconds, 1.0, 86'400.0);
  parallel.is_through_host = section.choice("exchange", "auto", {"auto", "host"}) == "host";
  if (const Status status = check_processes(config); !status.ok()) {
    section.reject("processes", status.message());
  }
}

void read_lora(ConfigReader section, RunConfig& config) {
  auto& lora = config.lora;
  lora.rank = section.integer("rank", lora.rank, 1, 1024);
  lora.alpha = section.number("alpha", lora.alpha, 1e-6, 1e6);
  lora.targets = section.texts("targets", {});
  lora.base_model_name = section.text("base_model_name", config.model.core.string());
}

void read_tokenizer(ConfigReader section, const std::filesystem::path& base, RunConfig& config) {
  auto& tokenizer = config.tokenizer;
  tokenizer.path = resolved(section.text("path", ""), base);
  tokenizer.vocabulary_size =
      section.integer("vocabulary_size", tokenizer.vocabulary_size, 300, 1'000'000);
  if (!tokenizer.path.empty() && section.has("vocabulary_size")) {
    section.reject("vocabulary_size", "is for a tokenizer that is trained; \"path\" gives one");
  }
}

bool names_a_file(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

// A name that no earlier entry has and that a file can have.
template <typename Named>
std::string read_unlike_name(ConfigReader& item, const std::vector<Named>& earlier) {
  std::string name = item.required_text("name");
  if (!name.empty() && !names_a_file(name)) {
    item.reject("name",
                fmt::format("must be 1 to 64 letters, digits, '-' and '_', found \"{}\"", name));
  }
  if (std::ranges::any_of(earlier, [&](const Named& other) { return other.name == name; })) {
    item.reject("name", fmt::format("must be unlike the others, found \"{}\" twice", name));
  }
  return name;
}

std::vector<RunConfig::Data::Source> read_sources(ConfigReader& section,
                                                  const std::filesystem::path& base) {
  std::vector<RunConfig::Data::Source> sources;
  std::vector<ConfigReader> items = section.sections("sources");
  if (section.has("sources") && (items.empty() || items.size() > kMostSources)) {
    section.reject("sources", fmt::format("must be a list of 1 to {} sources, each with name, path "
                                          "or paths, and weight",
                                          kMostSources));
  }
  for (ConfigReader& item : items) {
    RunConfig::Data::Source source;
    source.name = read_unlike_name(item, sources);
    source.weight = item.number("weight", 1.0, 1e-9, 1e9);
    const std::string path = item.text("path", "");
    const std::vector<std::string> paths = item.texts("paths", {});
    if (path.empty() == paths.empty()) {
      item.reject("path", "or \"paths\" (one of the two) must name the source's text");
    }
    if (!path.empty()) source.paths.push_back(resolved(path, base));
    for (const auto& text : paths) source.paths.push_back(resolved(text, base));
    sources.push_back(std::move(source));
  }
  return sources;
}

void read_data(ConfigReader section, const std::filesystem::path& base, RunConfig& config) {
  auto& data = config.data;
  const std::string path = section.text("path", "");
  const std::vector<std::string> paths = section.texts("paths", {});
  data.sources = read_sources(section, base);
  if (!path.empty() + !paths.empty() + section.has("sources") != 1) {
    section.reject(section.has("sources") ? "sources" : "path",
                   "or \"paths\" or \"sources\" (one of them) must name the text to train on");
  }
  if (!path.empty()) data.paths.push_back(resolved(path, base));
  for (const auto& text : paths) data.paths.push_back(resolved(text, base));
  data.packing = section.choice("packing", std::string(data::packing_name(data.packing)),
                                {"across_documents", "within_documents"}) == "within_documents"
                     ? data::Packing::kWithinDocuments
                     : data::Packing::kAcrossDocuments;
  data.text_column = section.text("text_column", "");
  data.train_on = section.choice("train_on", std::string(data::train_on_name(data.train_on)),
                                 {"assistant", "all"}) == "all"
                      ? data::TrainOn::kAll
                      : data::TrainOn::kAssistant;
  const std::string special =
      section.choice("special_tokens", "as_marked", {"as_marked", "read", "none"});
  if (special != "as_marked") {
    data.special_tokens =
        special == "read" ? tokenizer::SpecialTokens::kParse : tokenizer::SpecialTokens::kAsText;
  }
  const std::string deduplicate =
      section.choice("deduplicate", std::string(data::deduplication_name(data.deduplicate)),
                     {"off", "exact", "near"});
  data.deduplicate = deduplicate == "near"    ? data::Deduplication::kNear
                     : deduplicate == "exact" ? data::Deduplication::kExact
                                              : data::Deduplication::kOff;
  data.near_threshold = section.number("near_threshold", data.near_threshold, 0.5, 1.0);
  data.validation_path = resolved(section.text("validation_path", ""), base);
  data.validation_fraction =
      section.number("validation_fraction", data.validation_fraction, 0.0, 0.5);
  data.split_by_source = section.choice("split_by", "passage", {"passage", "source"}) == "source";
  data.passage_bytes =
      section.integer("passage_bytes", data.passage_bytes, 0, std::int64_t{1} << 40);
  if (data.passage_bytes > 0 && data.passage_bytes < 256) {
    section.reject("passage_bytes", "must be 0 (texts stay whole) or at least 256");
  }
  data.max_bytes = section.integer("max_bytes", data.max_bytes, 1, std::int64_t{1} << 50);
}

void read_schedule(ConfigReader section, RunConfig& config) {
  auto& schedule = config.schedule;
  const std::string shape = section.choice("shape", std::string(schedule_name(schedule.shape)),
                                           {"constant", "linear", "cosine", "wsd"});
  schedule.shape = schedule_from_name(shape).value();
  schedule.warmup_fraction = section.number("warmup_fraction", schedule.warmup_fraction, 0.0, 1.0);
  const std::int64_t steps = section.integer("warmup_steps", -1, 0, kMany);
  if (steps >= 0) schedule.warmup_steps = steps;
  if (section.has("warmup_steps") && section.has("warmup_fraction")) {
    section.reject("warmup_steps", "and \"warmup_fraction\" say the same thing: give one of them");
  }
  schedule.final_fraction = section.number("final_fraction", schedule.final_fraction, 0.0, 1.0);
  schedule.decay_fraction = section.number("decay_fraction", schedule.decay_fraction, 0.0, 1.0);
}

std::vector<RunConfig::Evaluation::Task> read_tasks(ConfigReader& section,
                                                    const std::filesystem::path& base) {
  std::vector<RunConfig::Evaluation::Task> tasks;
  std::vector<ConfigReader> items = section.sections("tasks");
  if (items.size() > kMostTasks) {
    section.reject("tasks", fmt::format("must be a list of at most {} tasks, each with name, path "
                                        "and format, found {}",
                                        kMostTasks, items.size()));
  }
  for (ConfigReader& item : items) {
    RunConfig::Evaluation::Task task;
    task.name = read_unlike_name(item, tasks);
    task.path = resolved(item.required_text("path"), base);
    const std::string format =
        item.choice("format", "choices", {"hellaswag", "arc", "mmlu", "choices"});
    task.format = data::choice_format(format).value_or(data::ChoiceFormat::kChoices);
    task.options.shots = item.integer("shots", 0, 0, 1000);
    const std::string shots_path = item.text("shots_path", "");
    if (!shots_path.empty()) task.options.shots_path = resolved(shots_path, base);
    task.options.limit = item.integer("limit", 0, 0, kMany);
    tasks.push_back(std::move(task));
  }
  return tasks;
}

void read_rhythm(ConfigReader& top, const std::filesystem::path& base, RunConfig& config) {
  auto checkpoint = top.section("checkpoint");
  auto& saves = config.checkpoint;
  saves.every_steps = checkpoint.integer("every_steps", saves.every_steps, 0, kMany);
  saves.every_seconds = checkpoint.number("every_seconds", saves.every_seconds, 0.0, kLong);
  saves.keep = checkpoint.integer("keep", saves.keep, 1, 1000);
  saves.keep_every_steps = checkpoint.integer("keep_every_steps", saves.keep_every_steps, 0, kMany);
  saves.keep_best = checkpoint.flag("keep_best", saves.keep_best);
  saves.asynchronous = checkpoint.flag("asynchronous", saves.asynchronous);
  saves.verify = checkpoint.flag("verify", saves.verify);
  if (saves.keep_every_steps > 0 &&
      (saves.every_steps == 0 || saves.keep_every_steps % saves.every_steps != 0)) {
    checkpoint.reject("keep_every_steps",
                      fmt::format("must be a multiple of checkpoint.every_steps {}, found {}",
                                  saves.every_steps, saves.keep_every_steps));
  }

  auto stability = top.section("stability");
  auto& care = config.stability;
  care.skip_outliers = stability.choice("skip_outliers", "auto", {"auto", "off"}) == "auto";
  care.outlier_sigmas = stability.number("outlier_sigmas", care.outlier_sigmas, 1.0, 100.0);
  care.window = stability.integer("window", care.window, 4, 100'000);
  care.bad_steps = stability.integer("bad_steps", care.bad_steps, 1, 1000);
  care.loss_rise = stability.number("loss_rise", care.loss_rise, 0.0, 1e9);
  care.rollbacks = stability.integer("rollbacks", care.rollbacks, 0, 1000);

  auto evaluation = top.section("evaluation");
  auto& scores = config.evaluation;
  scores.every_steps = evaluation.integer("every_steps", scores.every_steps, 0, kMany);
  scores.max_tokens = evaluation.integer("max_tokens", scores.max_tokens, 2, std::int64_t{1} << 50);
  if (config.kind == RunKind::kPretrain) {
    scores.sample_prompt = evaluation.text("sample_prompt", scores.sample_prompt);
    scores.sample_tokens = evaluation.integer("sample_tokens", scores.sample_tokens, 0, 100'000);
  }
  scores.tasks = read_tasks(evaluation, base);
}

void read_limits(ConfigReader section, RunConfig& config) {
  auto& limits = config.limits;
  if (section.has("steps"))
    limits.steps = section.integer("steps", 1, 1, kMany);
  else
    (void)section.integer("steps", 1, 1, kMany);
  const double max_seconds = section.number("max_seconds", 0.0, 1.0, kLong);
  if (section.has("max_seconds")) limits.max_seconds = max_seconds;
  limits.threads = section.integer("threads", 0, 0, 1024);
  if (!section.has("steps") && !section.has("max_seconds")) {
    section.reject("steps", "or \"max_seconds\" (or both) must say how long to train");
  }
}

tensor::Precision read_precision(ConfigReader& top, const RunsOn& runs_on,
                                 const std::string& device) {
  const std::string name = top.choice("precision", "auto", {"auto", "fp32", "bf16"});
  // Every CUDA device that the kernels run on has them.
  const bool has_instructions =
      runs_on.multiplies_bfloat16 ||
      (device != "cpu" && runs_on.why_no_cuda && runs_on.why_no_cuda(1).empty());
  if (name == "bf16" && !has_instructions) {
    top.reject("precision",
               "must be fp32 or auto here: this CPU has no bfloat16 instructions (AVX-512-BF16)");
  }
  return name != "fp32" && has_instructions ? tensor::Precision::kBFloat16
                                            : tensor::Precision::kFloat32;
}

void read_memory(ConfigReader section, RunConfig& config) {
  const bool is_rounded = section.choice("weights", "fp32", {"fp32", "bf16"}) == "bf16";
  if (is_rounded && config.kind == RunKind::kLora) {
    section.reject("weights", "must be fp32 for kind lora: a frozen core has its rounded copies");
  } else if (is_rounded && config.precision != tensor::Precision::kBFloat16) {
    section.reject("weights",
                   "must be fp32 beside precision fp32: bf16 weights need bf16 products");
  }
  if (is_rounded) config.memory.weights = tensor::Precision::kBFloat16;
  const std::string recompute =
      section.choice("recompute", "none", {kRecomputeNames.begin(), kRecomputeNames.end()});
  config.memory.recompute = recompute == "full"        ? Recompute::kFull
                            : recompute == "selective" ? Recompute::kSelective
                                                       : Recompute::kNone;
  config.memory.has_states_on_host =
      section.choice("states", "device", {"device", "host"}) == "host";
}

// Why the run cannot be on the device that its file names; empty when it can.
std::string why_not_on(std::string_view device, const RunsOn& runs_on, int processes) {
  if (device != "cuda" || !runs_on.why_no_cuda) return "";
  const std::string missing = runs_on.why_no_cuda(processes);
  return missing.empty() ? "" : "must be auto or cpu here: " + missing;
}

void read_device(ConfigReader& top, const RunsOn& runs_on, RunConfig& config) {
  config.device = top.choice("device", "auto", {"auto", "cpu", "cuda"});
  config.cuda_graphs = top.choice("cuda_graphs", "auto", {"auto", "off"}) == "auto";
  const std::string reason = why_not_on(config.device, runs_on, 1);
  if (reason.empty()) return;
  top.reject("device", reason);
  config.device = "cpu";  // What follows is judged all the same.
}

void set_lora_defaults(RunConfig& config) {
  config.optimizer.adamw = {.learning_rate = 2e-3, .beta2 = 0.99, .weight_decay = 0.0};
  config.optimizer.muon.weight_decay = 0.0;
  config.schedule.warmup_fraction = 0.1;
  config.batch.sequences = 4;
  config.evaluation.max_tokens = 2048;
  config.evaluation.sample_tokens = 0;
}

}  // namespace

std::string_view run_kind_name(RunKind kind) {
  return kind == RunKind::kLora ? "lora" : "pretrain";
}

Status check_processes(const RunConfig& config) {
  const std::int64_t processes = config.parallel.processes;
  if (processes > config.batch.sequences) {
    return Status(Code::kInvalidArgument,
                  fmt::format("must be at most batch.sequences {}, found {}: each process needs a "
                              "sequence of every batch",
                              config.batch.sequences, processes));
  }
  return Status();
}

Result<RunConfig> parse_run_config(std::string_view yaml, std::string name,
                                   const std::filesystem::path& base_directory,
                                   const RunsOn& runs_on) {
  PANAL_ASSIGN(ConfigReader top, ConfigReader::parse(yaml, std::move(name)));
  RunConfig config;
  if (!top.has("kind")) top.reject("kind", "is missing; it must be one of pretrain, lora");
  const bool is_lora = top.choice("kind", "pretrain", {"pretrain", "lora"}) == "lora";
  config.kind = is_lora ? RunKind::kLora : RunKind::kPretrain;
  if (is_lora) set_lora_defaults(config);
  config.name = top.text("name", config.name);
  config.seed = static_cast<std::uint64_t>(
      top.integer("seed", 1, 0, std::numeric_limits<std::int64_t>::max()));
  read_device(top, runs_on, config);
  config.precision = read_precision(top, runs_on, config.device);
  read_memory(top.section("memory"), config);

  read_batch(top.section("batch"), config);
  auto model = top.section("model");
  if (is_lora) {
    config.model.core = resolved(model.required_text("core"), base_directory);
    read_lora(top.section("lora"), config);
  } else {
    const Preset* preset = read_preset(model);
    if (preset != nullptr) config.tokenizer.vocabulary_size = preset->config.vocabulary_size;
    read_tokenizer(top.section("tokenizer"), base_directory, config);
    read_dimensions(std::move(model), preset, config, config.model.dimensions);
  }
  read_data(top.section("data"), base_directory, config);
  detail::read_optimizer(top.section("optimizer"), config);
  if (config.qk_clip && config.memory.has_states_on_host) {
    top.reject("memory",
               "must leave states on the device beside optimizer.qk_clip, which changes "
               "weights and their low bits by itself");
  }
  read_schedule(top.section("schedule"), config);
  read_rhythm(top, base_directory, config);
  read_limits(top.section("limits"), config);
  read_parallel(top.section("parallel"), config);
  const auto processes = static_cast<int>(config.parallel.processes);
  if (const auto reason = why_not_on(config.device, runs_on, processes); !reason.empty()) {
    top.reject("device", reason);
  }
  PANAL_TRY(top.finish());
  return config;
}

}  // namespace panal::recipe
