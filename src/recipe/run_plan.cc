#include "recipe/run_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "recipe/detail/adapter_memory.h"
#include "recipe/process_shares.h"

namespace panal::recipe {
namespace {

// The largest divisor of `sequences` that is at most `most`.
std::int64_t largest_divisor(std::int64_t sequences, std::int64_t most) {
  for (std::int64_t divisor = std::min(sequences, most); divisor > 1; --divisor) {
    if (sequences % divisor == 0) return divisor;
  }
  return 1;
}

// Of one device: GPUs have a process each, processes on the CPU share the machine's memory.
double on_one_device(const StepShape& shape, const std::vector<double>& by_process) {
  return shape.is_on_gpu ? std::ranges::max(by_process)
                         : std::accumulate(by_process.begin(), by_process.end(), 0.0);
}

double bytes_of(const StepShape& shape) {
  std::vector<double> by_process;
  for (int rank = 0; rank < shape.processes; ++rank) {
    by_process.push_back(plan_memory(shape, rank).bytes());
  }
  return on_one_device(shape, by_process);
}

bool fits_in(const PlannedDevice& device, int processes, double bytes) {
  return bytes + processes * device.process_bytes <= device.memory_bytes * device.usable_share;
}

bool fits_in(const PlannedDevice& device, const StepShape& shape) {
  return fits_in(device, shape.processes, bytes_of(shape));
}

std::optional<std::int64_t> fewer_sequences(const RunPlan& plan) {
  const std::int64_t share = plan.shape.sequences * plan.accumulate;
  for (std::int64_t most = plan.shape.sequences - 1; most >= plan.shape.processes;) {
    StepShape smaller = plan.shape;
    smaller.sequences = largest_divisor(share, most);
    smaller.accumulates = smaller.sequences < share;
    if (smaller.sequences < smaller.processes) break;
    if (fits_in(plan.device, smaller)) return smaller.sequences;
    most = smaller.sequences - 1;
  }
  return std::nullopt;
}

// A run in which less is held, measure by measure, until it fits.
class Savings {
 public:
  explicit Savings(const RunPlan& plan)
      : device_(plan.device),
        shape_(plan.shape),
        share_(plan.shape.sequences * plan.accumulate),
        bytes_(plan.bytes()) {}

  bool fits() const { return fits_in(device_, shape_.processes, bytes_); }
  std::vector<MemoryMeasure> find() {
    round_weights_and_states();
    recompute(Recompute::kSelective);
    recompute(Recompute::kFull);
    shrink_passes();
    copy_nothing();
    stream_states();
    return std::move(measures_);
  }

 private:
  // Takes the measure when it is needed and helps.
  bool take(std::string setting, const StepShape& shape) {
    const double bytes = bytes_of(shape);
    if (fits() || bytes >= bytes_) return false;
    shape_ = shape;
    bytes_ = bytes;
    measures_.push_back({.setting = std::move(setting), .bytes = bytes});
    return true;
  }

  void round_weights_and_states() {
    StepShape shape = shape_;
    std::string setting;
    if (!shape.adapter && shape.precision == tensor::Precision::kBFloat16 &&
        shape.weights != shape.precision) {
      shape.weights = tensor::Precision::kBFloat16;
      setting = "memory: {weights: bf16}";
    }
    if (shape.optimizer.state_precision != tensor::Precision::kBFloat16) {
      shape.optimizer.state_precision = tensor::Precision::kBFloat16;
      setting += setting.empty() ? "" : ", ";
      setting += "optimizer: {state_precision: bf16}";
    }
    if (!setting.empty()) take(std::move(setting), shape);
  }

  void recompute(Recompute kind) {
    if (shape_.recompute >= kind) return;
    const bool replaces = shape_.recompute != first_recompute_;
    StepShape shape = shape_;
    shape.recompute = kind;
    if (!take(fmt::format("memory: {{recompute: {}}}", recompute_name(kind)), shape)) return;
    // The run file says it once.
    if (replaces) measures_.erase(measures_.end() - 2);
  }

  void shrink_passes() {
    StepShape shape = shape_;
    for (std::int64_t most = shape_.sequences - 1; most >= shape_.processes;
         most = shape.sequences - 1) {
      const std::int64_t sequences = largest_divisor(share_, most);
      if (sequences < shape_.processes) break;  // Each process wants one.
      shape.sequences = sequences;
      shape.accumulates = sequences < share_;
      if (sequences == 1 || fits_in(device_, shape)) break;
    }
    // Devices without processes have a batch of their own.
    const std::int64_t batches = shape.processes > 1 ? 1 : device_.count;
    take(fmt::format("batch: {{sequences: {}, accumulate: {}}}", shape.sequences,
                     share_ / shape.sequences * batches),
         shape);
  }

  void copy_nothing() {
    StepShape shape = shape_;
    shape.copies_state = false;
    take("checkpoint: {asynchronous: false}", shape);
  }

  void stream_states() {
    if (!device_.is_gpu) return;
    StepShape shape = shape_;
    shape.streams_states = true;
    const double states = plan_memory(shape_).bytes(MemoryKind::kStates);
    if (take("memory: {states: host}", shape)) measures_.back().host_bytes = states;
  }

  const PlannedDevice& device_;
  StepShape shape_;
  const Recompute first_recompute_ = shape_.recompute;
  const std::int64_t share_;  // Sequences per step of one device, or of all processes.
  double bytes_;
  std::vector<MemoryMeasure> measures_;
};

std::vector<ProcessShare> shares_of(const StepShape& shape, int processes) {
  return shape.adapter
             ? process_shares(detail::adapter_parameters(shape), shape.optimizer, processes)
             : process_shares(shape.model, shape.optimizer, processes);
}

// All processes wait for the one that has the most rows, then for the one with the most matrices.
void add_imbalance(RunPlan& plan) {
  const int processes = plan.shape.processes;
  if (processes == 1) return;
  std::int64_t most_rows = 0;
  for (int rank = 0; rank < processes; ++rank) {
    const auto [first, last] = rows_of_rank(plan.shape.sequences, rank, processes);
    most_rows = std::max(most_rows, last - first);
  }
  plan.pass_imbalance =
      static_cast<double>(most_rows * processes) / static_cast<double>(plan.shape.sequences);
  double most_flops = 0;
  for (const auto& share : shares_of(plan.shape, processes)) {
    most_flops = std::max(most_flops, share.update_flops);
  }
  if (most_flops > 0) plan.update_imbalance = most_flops * processes / plan.flops_per_update;
}

void add_time(const RunConfig& config, RunPlan& plan) {
  const auto& device = plan.device;
  const auto count = static_cast<double>(device.count);
  plan.flops_per_token = plan.shape.adapter
                             ? detail::adapter_flops_per_token(plan.shape)
                             : plan.shape.model.training_flops_per_token(config.batch.context);
  plan.flops_per_update = shares_of(plan.shape, 1).front().update_flops;
  add_imbalance(plan);
  const auto per_step =
      static_cast<double>(config.batch.sequences * config.batch.accumulate * config.batch.context);
  plan.tokens_per_s = count * device.peak_flops * device.assumed_mfu /
                      (plan.flops_per_token * plan.pass_imbalance +
                       plan.flops_per_update * plan.update_imbalance / per_step);
  plan.steps = config.limits.steps.value_or(0);
  double spent = config.limits.max_seconds.value_or(0);
  if (plan.steps > 0) {
    const double needed = static_cast<double>(plan.steps) * per_step / plan.tokens_per_s;
    spent = config.limits.max_seconds ? std::min(spent, needed) : needed;
  }
  plan.tokens = spent * plan.tokens_per_s;
  plan.hours = spent / 3600;
  if (device.watts > 0) plan.kwh = plan.hours * device.watts * count / 1000;
}

// The dimensions are the core's, of which no weight is read.
Status put_adapter(const RunConfig& config, StepShape& shape) {
  PANAL_ASSIGN(shape.model, load_model_config(config.model.core.string()));
  if (shape.context > shape.model.context_length) {
    return Status(Code::kInvalidArgument,
                  fmt::format("batch.context must be at most the core's context of {}, found {}",
                              shape.model.context_length, shape.context));
  }
  shape.adapter = AdapterShape{.rank = config.lora.rank, .targets = config.lora.targets};
  return Status();
}

// How each step's batch is divided.
Status add_batch(const RunConfig& config, RunPlan& plan) {
  const std::int64_t processes = config.parallel.processes, count = plan.device.count;
  const std::int64_t wanted = plan.device.is_gpu ? processes : 1;
  if (processes > 1 && count != wanted) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected a count of {} beside {} processes, found {}",
                              plan.device.is_gpu ? "each process has a GPU of its own"
                                                 : "several processes share one machine",
                              wanted, processes, count));
  }
  plan.shape.processes = static_cast<int>(processes);
  plan.shape.sequences = config.batch.sequences;
  plan.accumulate = config.batch.accumulate;
  if (processes == 1) {
    const std::int64_t all = config.batch.sequences * config.batch.accumulate;
    if (all % count != 0) {
      return Status(Code::kInvalidArgument,
                    fmt::format("batch.sequences times batch.accumulate must be a multiple of the "
                                "{} devices, found {}",
                                count, all));
    }
    plan.shape.sequences = largest_divisor(all / count, config.batch.sequences);
    plan.accumulate = all / count / plan.shape.sequences;
  }
  plan.shape.accumulates = plan.accumulate > 1;
  return check_processes(config);
}

void add_memory(RunPlan& plan) {
  for (int rank = 0; rank < plan.shape.processes; ++rank) {
    MemoryPlan memory = plan_memory(plan.shape, rank);
    plan.bytes_by_process.push_back(memory.bytes());
    if (rank == 0 || memory.bytes() > plan.memory.bytes()) plan.memory = std::move(memory);
  }
}

}  // namespace

double RunPlan::bytes() const { return on_one_device(shape, bytes_by_process); }

PlannedDevice planned_device(const machine::Device& device, tensor::Precision precision,
                             std::int64_t count) {
  const bool is_bfloat16 = precision == tensor::Precision::kBFloat16;
  return {.name = std::string(device.name),
          .count = count,
          .peak_flops = is_bfloat16 ? device.bf16_flops : device.fp32_flops,
          .peak_source = is_bfloat16 ? "the maker's dense bf16 figure" : "the maker's fp32 figure",
          .memory_bytes = device.memory_bytes,
          .watts = device.watts,
          .watts_source = "board power limit; the host is not counted",
          .assumed_mfu = device.assumed_mfu,
          .mfu_reason = std::string(device.mfu_reason),
          .is_gpu = true};
}

Result<RunPlan> plan_run(const RunConfig& config, std::int64_t vocabulary_size,
                         PlannedDevice device) {
  RunPlan plan{.device = std::move(device),
               .shape = {.model = config.model.dimensions,
                         .optimizer = config.optimizer,
                         .precision = config.precision,
                         .weights = config.memory.weights,
                         .recompute = config.memory.recompute,
                         .context = config.batch.context},
               .memory = {}};
  plan.shape.model.vocabulary_size = vocabulary_size;
  if (config.kind == RunKind::kLora) PANAL_TRY(put_adapter(config, plan.shape));
  plan.shape.copies_state = config.checkpoint.asynchronous && !plan.device.is_gpu;
  plan.shape.is_on_gpu = plan.device.is_gpu;
  plan.shape.streams_states = config.memory.has_states_on_host && plan.device.is_gpu;
  PANAL_TRY(validate(plan.shape.model));
  PANAL_TRY(add_batch(config, plan));
  PANAL_TRY(capture([&] { add_memory(plan); }));
  plan.fits = fits_in(plan.device, plan.shape.processes, plan.bytes());
  if (!plan.fits) {
    plan.sequences_that_fit = fewer_sequences(plan);
    Savings savings(plan);
    plan.measures = savings.find();
    plan.fits_with_measures = savings.fits();
  }
  add_time(config, plan);
  return plan;
}

std::int64_t trainable_parameters(const StepShape& shape) {
  return shape.adapter ? static_cast<std::int64_t>(detail::num_adapter_parameters(shape))
                       : shape.model.num_parameters();
}

Json run_plan_to_json(const RunPlan& plan) {
  const PlannedDevice& device = plan.device;
  Json json = {{"device",
                {{"name", device.name},
                 {"count", device.count},
                 {"peak_flops", device.peak_flops},
                 {"peak_source", device.peak_source},
                 {"memory_bytes", device.memory_bytes},
                 {"usable_share", device.usable_share},
                 {"assumed_mfu", device.assumed_mfu},
                 {"mfu_reason", device.mfu_reason},
                 {"is_gpu", device.is_gpu},
                 {"watts", device.watts > 0 ? Json(device.watts) : Json(nullptr)},
                 {"process_source", device.process_source},
                 {"watts_source", device.watts_source}}},
               {"kind", plan.shape.adapter ? "lora" : "pretrain"},
               {"parameters", plan.shape.model.num_parameters()},
               {"trainable_parameters", trainable_parameters(plan.shape)},
               {"sequences", plan.shape.sequences},
               {"accumulate", plan.accumulate},
               {"context", plan.shape.context},
               {"processes", plan.shape.processes}};
  Json kinds = Json::object(), items = Json::array();
  for (int i = 0; i < kNumMemoryKinds; ++i) {
    const auto kind = static_cast<MemoryKind>(i);
    kinds[std::string(memory_kind_name(kind))] = plan.memory.bytes(kind);
  }
  for (const MemoryItem& item : plan.memory.items) {
    items.push_back(
        {{"kind", memory_kind_name(item.kind)}, {"name", item.name}, {"bytes", item.bytes}});
  }
  json["memory"] = {{"bytes", plan.memory.bytes()},
                    {"process_bytes", device.process_bytes},
                    {"bytes_by_process", plan.bytes_by_process},
                    {"device_bytes", plan.bytes() + plan.shape.processes * device.process_bytes},
                    {"moment", plan.memory.moment},
                    {"by_kind", kinds},
                    {"tensors", items},
                    {"fits", plan.fits}};
  json["memory"]["measures"] = Json::array();
  for (const MemoryMeasure& measure : plan.measures) {
    json["memory"]["measures"].push_back({{"setting", measure.setting},
                                          {"bytes", measure.bytes},
                                          {"host_bytes", measure.host_bytes}});
  }
  json["memory"]["fits_with_measures"] = plan.fits_with_measures;
  json["memory"]["sequences_that_fit"] =
      plan.sequences_that_fit ? Json(*plan.sequences_that_fit) : Json(nullptr);
  json["flops_per_token"] = plan.flops_per_token;
  json["flops_per_update"] = plan.flops_per_update;
  json["pass_imbalance"] = plan.pass_imbalance;
  json["update_imbalance"] = plan.update_imbalance;
  json["tokens_per_s"] = plan.tokens_per_s;
  json["steps"] = plan.steps > 0 ? Json(plan.steps) : Json(nullptr);
  json["tokens"] = plan.tokens;
  json["hours"] = plan.hours;
  json["kwh"] = plan.kwh ? Json(*plan.kwh) : Json(nullptr);
  return json;
}

}  // namespace panal::recipe
