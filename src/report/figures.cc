#include "report/figures.h"

#include <fmt/format.h>

#include <functional>

#include "report/chart.h"

namespace panal::report {
namespace {

constexpr const char* kUnknown = "unknown";

template <typename T, typename Show>
std::string shown(const std::optional<T>& value, Show show) {
  return value ? std::string(show(*value)) : kUnknown;
}

std::string plain(double value) { return short_number(value); }
std::string percent(double value) { return fmt::format("{:.1f} %", 100 * value); }
std::string milliseconds(double seconds) { return fmt::format("{:.4g}", 1e3 * seconds); }
std::string gibibytes(std::int64_t bytes) {
  return fmt::format("{:.3g}", static_cast<double>(bytes) / (1 << 30));
}

std::string loss_at_end(const std::vector<LossPoint>& curve) {
  return curve.empty() ? kUnknown : fmt::format("{:.4f}", curve.back().loss);
}

std::string shown_steps(const RunAnalysis& run, const Stretch& stretch) {
  if (stretch.last_step == 0) return kUnknown;
  if (run.stretches.size() > 1) {
    return fmt::format("{} to {}", stretch.first_step, stretch.last_step);
  }
  if (!run.record.planned_steps || *run.record.planned_steps == 0) {
    return std::to_string(stretch.last_step);
  }
  return fmt::format("{} of {}", stretch.last_step, *run.record.planned_steps);
}

std::string three(const std::optional<Spread>& spread) {
  if (!spread) return kUnknown;
  return fmt::format("{} / {} / {}", plain(spread->p10), plain(spread->median), plain(spread->p90));
}

using Cell = std::function<std::string(const RunAnalysis&, const Stretch&)>;
struct Row {
  const char* name;
  Cell cell;
};

std::vector<Row> rows_about_the_run() {
  return {
      {"status", [](const auto& run, const auto&) { return run.record.status; }},
      {"parameters",
       [](const auto& run, const auto&) {
         return shown(run.record.parameters,
                      [](std::int64_t n) { return plain(static_cast<double>(n)); });
       }},
      {"steps", [](const auto& run, const auto& part) { return shown_steps(run, part); }},
      {"tokens trained on",
       [](const auto& run, const auto&) {
         return run.record.steps.empty()
                    ? kUnknown
                    : plain(static_cast<double>(run.record.steps.back().tokens));
       }},
      {"training loss, smoothed, at the end",
       [](const auto& run, const auto&) { return loss_at_end(run.smoothed); }},
      {"validation loss, last",
       [](const auto& run, const auto&) {
         if (run.validation.empty() && run.record.status == "benchmark") return std::string("none");
         return run.validation.empty() ? std::string("none") : loss_at_end(run.validation);
       }},
      {"skipped steps",
       [](const auto& run, const auto&) {
         return run.record.steps.empty() ? kUnknown : std::to_string(run.skipped_steps);
       }},
      {"resumes",
       [](const auto& run, const auto&) {
         if (run.record.status == "benchmark") return std::string("none");
         return shown(run.resumes, [](std::int64_t n) { return std::to_string(n); });
       }},
      {"energy, J per token",
       [](const auto& run, const auto&) {
         return run.joules_per_token
                    ? fmt::format("{:.4g} ({})", *run.joules_per_token, run.record.energy.method)
                    : std::string(kUnknown);
       }},
      {"carbon, gCO2e", [](const auto& run, const auto&) { return shown(run.grams_co2, plain); }},
  };
}

std::vector<Row> rows_about_the_machine() {
  const auto of_spread = [](double Spread::*member, std::string (*show)(double)) -> Cell {
    return [member, show](const RunAnalysis&, const Stretch& part) {
      return part.step_seconds ? show((*part.step_seconds).*member) : std::string(kUnknown);
    };
  };
  return {
      {"machine",
       [](const auto&, const auto& part) { return machine::machine_label(part.machine); }},
      {"code version",
       [](const auto&, const auto& part) {
         return part.machine.code_version.empty() ? kUnknown : part.machine.code_version;
       }},
      {"tokens/s",
       [](const auto&, const auto& part) { return shown(part.mean_tokens_per_s, plain); }},
      {"tokens/s of single steps, p10 / p50 / p90",
       [](const auto&, const auto& part) { return three(part.tokens_per_s); }},
      {"step time, median, ms", of_spread(&Spread::median, milliseconds)},
      {"step time, p95, ms", of_spread(&Spread::p95, milliseconds)},
      {"step time, largest, ms", of_spread(&Spread::largest, milliseconds)},
      {"step time, coefficient of variation",
       of_spread(&Spread::coefficient_of_variation, percent)},
      {"model GFLOP/s",
       [](const auto&, const auto& part) {
         return shown(part.model_flops_per_s, [](double rate) { return plain(rate / 1e9); });
       }},
      {"peak used, GFLOP/s",
       [](const auto&, const auto& part) {
         return shown(part.machine.peak_flops, [](double rate) { return plain(rate / 1e9); });
       }},
      {"MFU", [](const auto&, const auto& part) { return shown(part.mfu, percent); }},
      {"memory bandwidth, GB/s",
       [](const auto&, const auto& part) {
         return shown(part.machine.memory_bytes_per_s,
                      [](double rate) { return plain(rate / 1e9); });
       }},
      {"model FLOPs per byte of bandwidth",
       [](const auto&, const auto& part) { return shown(part.flops_per_byte, plain); }},
      {"tokens per GB of bandwidth",
       [](const auto&, const auto& part) { return shown(part.tokens_per_gigabyte, plain); }},
      {"peak memory, GiB",
       [](const auto&, const auto& part) {
         const std::string all = shown(part.peak_resident_bytes, gibibytes);
         if (!part.largest_process_bytes) return all;
         return fmt::format("{}, largest process {}", all,
                            shown(part.largest_process_bytes, gibibytes));
       }},
      {"peak GPU memory, GiB",
       [](const auto&, const auto& part) {
         return part.machine.device == "cpu" ? std::string("-")
                                             : shown(part.peak_device_bytes, gibibytes);
       }},
  };
}

}  // namespace

Figures figures_of(std::span<const RunAnalysis> runs) {
  Figures figures;
  std::vector<Row> rows = rows_about_the_run();
  for (Row& row : rows_about_the_machine()) rows.push_back(std::move(row));
  for (const Row& row : rows) figures.rows.push_back({.name = row.name, .cells = {}});
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunAnalysis& run = runs[i];
    for (std::size_t part = 0; part < run.stretches.size(); ++part) {
      const std::string title = run.stretches.size() == 1
                                    ? run.record.name
                                    : fmt::format("{}, machine {}", run.record.name, part + 1);
      figures.columns.push_back({.run = i, .title = title});
      for (std::size_t row = 0; row < rows.size(); ++row) {
        figures.rows[row].cells.push_back(rows[row].cell(run, run.stretches[part]));
      }
    }
  }
  return figures;
}

std::vector<std::string> methods_of(std::span<const RunAnalysis> runs) {
  std::vector<std::string> lines = {
      "MFU = tokens/s (6 N + 12 L H Q T) / peak: N matrix parameters with the head and without "
      "embeddings, L layers, H heads, Q head width, T context (Chowdhery et al., PaLM, 2022, "
      "appendix B; attention counted in full, recomputation not counted).",
      "Peak is the best dense matrix product found on the machine itself, in the run's precision; "
      "it is no vendor's figure.",
      "By memory bandwidth: model FLOPs per byte = tokens/s (6 N + 12 L H Q T) / B and tokens per "
      "GB = tokens/s / B, with B the bytes per second of a triad a = b + s c measured there.",
      "tokens/s of a run is all its tokens by the seconds of its steps (evaluations and "
      "checkpoints left out), of a benchmark that of the median step.",
      "The smoothed loss is an exponential mean with a memory of a hundredth of the run."};
  for (const RunAnalysis& run : runs) {
    if (!run.record.cost) {
      lines.push_back(
          fmt::format("{}: the shape of the model is unknown, so MFU is.", run.record.name));
      continue;
    }
    const recipe::ModelCost& cost = *run.record.cost;
    std::string line = fmt::format("{}: N {}, L {}, H {}, Q {}, T {}: {:.4g} MFLOP per token",
                                   run.record.name, cost.matrix_parameters, cost.layers, cost.heads,
                                   cost.head_width, cost.context, cost.flops_per_token() / 1e6);
    for (const Stretch& part : run.stretches) {
      if (!part.machine.peak_flops) continue;
      line += fmt::format("; peak {:.4g} GFLOP/s", *part.machine.peak_flops / 1e9);
      if (part.machine.memory_bytes_per_s) {
        line += fmt::format(" and {:.4g} GB/s", *part.machine.memory_bytes_per_s / 1e9);
      }
      line += fmt::format(" ({})", machine::machine_label(part.machine));
    }
    lines.push_back(line + ".");
  }
  return lines;
}

}  // namespace panal::report
