#include "report/detail/read_benchmark.h"

#include <fmt/format.h>

namespace panal::report::detail {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;

struct Dimensions {
  std::string arch, precision;
  std::int64_t layers = 0, width = 0, heads = 0, context = 0, batch = 0;
};

Result<Dimensions> dimensions_of(const Json& json, const std::string& where) {
  Dimensions found;
  PANAL_ASSIGN(found.arch, json_string(json, "arch", where));
  PANAL_ASSIGN(found.precision, json_string(json, "precision", where));
  PANAL_ASSIGN(found.layers, json_integer(json, "layers", where, 1, 1 << 20));
  PANAL_ASSIGN(found.width, json_integer(json, "width", where, 1, 1 << 24));
  PANAL_ASSIGN(found.heads, json_integer(json, "heads", where, 1, 1 << 20));
  PANAL_ASSIGN(found.context, json_integer(json, "context", where, 1, std::int64_t{1} << 32));
  PANAL_ASSIGN(found.batch, json_integer(json, "batch", where, 1, 1 << 24));
  return found;
}

// Steps as a run has them; a benchmark repeats one batch, so its loss is no curve.
Status add_steps(const Json& json, const Dimensions& shape, const std::string& where,
                 RunRecord& run) {
  if (!json_has(json, "step_seconds")) {
    run.notes.emplace_back("the file lists no single steps: only the median is known");
    return Status();
  }
  if (!json.at("step_seconds").is_array()) {
    return Status(Code::kCorrupt, where + ": step_seconds must be a list of numbers");
  }
  for (const Json& value : json.at("step_seconds")) {
    PANAL_ASSIGN(const double seconds,
                 json_number(Json{{"step_seconds", value}}, "step_seconds", where, 0, 1e12));
    const auto step = static_cast<std::int64_t>(run.steps.size()) + 1;
    run.steps.push_back(
        {.step = step, .tokens = step * shape.batch * shape.context, .seconds = seconds});
  }
  return Status();
}

std::string shown_name(const Json& json, const Dimensions& shape) {
  std::string name =
      fmt::format("{} {}x{} {}", shape.arch, shape.layers, shape.width, shape.precision);
  if (!json_has(json, "torch")) return name;
  return fmt::format("{} PyTorch {}", name,
                     json_has(json, "mode") && json.at("mode").is_string()
                         ? json.at("mode").get<std::string>()
                         : "");
}

// N from the document's own FLOPs: gflops / tokens_per_s is 6 N + 12 L H Q T per token.
Result<recipe::ModelCost> cost_of(const Json& json, const Dimensions& shape, double tokens_per_s,
                                  const std::string& where) {
  recipe::ModelCost cost{.layers = shape.layers,
                         .heads = shape.heads,
                         .head_width = shape.width / shape.heads,
                         .context = shape.context};
  PANAL_ASSIGN(const double gflops, json_number(json, "gflops", where, 0, 1e15));
  const double rest = gflops * 1e9 / tokens_per_s - cost.flops_per_token();
  cost.matrix_parameters = static_cast<std::int64_t>(rest / 6.0 + 0.5);
  if (cost.matrix_parameters < 1) {
    return Status(Code::kCorrupt,
                  fmt::format("{}: gflops by tokens_per_s must be over 12 L H Q T, found {}", where,
                              gflops * 1e9 / tokens_per_s));
  }
  return cost;
}

}  // namespace

Result<RunRecord> benchmark_record(const Json& json, const std::filesystem::path& path) {
  const std::string where = path.string();
  if (!json_has(json, "tokens_per_s") || !json_has(json, "arch")) {
    return Status(Code::kCorrupt,
                  where +
                      ": wanted a document of `panal bench train --json` with arch and "
                      "tokens_per_s, found none");
  }
  RunRecord run{.source = where, .status = "benchmark"};
  PANAL_ASSIGN(const Dimensions shape, dimensions_of(json, where));
  PANAL_ASSIGN(const double rate, json_number(json, "tokens_per_s", where, 1e-9, 1e15));
  run.name = shown_name(json, shape);
  run.median_tokens_per_s = rate;
  PANAL_ASSIGN(run.parameters, json_integer(json, "parameters", where, 1, kMost));
  PANAL_ASSIGN(run.cost, cost_of(json, shape, rate, where));
  PANAL_TRY(add_steps(json, shape, where, run));
  Call call;
  if (json_has(json, "machine")) {
    PANAL_ASSIGN(call.machine, machine::machine_from_json(json.at("machine"), where));
  }
  call.machine.precision = shape.precision;
  if (json_has(json, "gemm_peak_gflops")) {
    PANAL_ASSIGN(const double peak, json_number(json, "gemm_peak_gflops", where, 0, 1e15));
    if (peak > 0) call.machine.peak_flops = peak * 1e9;
  }
  if (json_has(json, "peak_resident_bytes")) {
    PANAL_ASSIGN(call.peak_resident_bytes,
                 json_integer(json, "peak_resident_bytes", where, 1, kMost));
  }
  if (json_has(json, "peak_device_bytes")) {
    PANAL_ASSIGN(call.peak_device_bytes, json_integer(json, "peak_device_bytes", where, 1, kMost));
  }
  run.calls.push_back(std::move(call));
  return run;
}

}  // namespace panal::report::detail
