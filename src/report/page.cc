#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/chart.h"
#include "report/detail/page_parts.h"
#include "report/detail/pages.h"
#include "report/detail/template.h"
#include "report/figures.h"

namespace panal::report {
namespace {

using Axis = double (*)(const LossPoint&);

std::vector<ChartPoint> points_over(const std::vector<LossPoint>& curve, Axis axis) {
  std::vector<ChartPoint> points;
  for (const LossPoint& point : curve) points.push_back({axis(point), point.loss});
  return points;
}

Chart loss_chart(std::span<const RunAnalysis> runs, std::string label, Axis axis, double width) {
  Chart chart{.title = "Loss over " + label,
              .x_label = std::move(label),
              .y_label = "loss, nats per token",
              .width = width};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto& run = runs[i];
    const int colour = static_cast<int>(i % 8);
    chart.series.push_back({.name = run.record.name,
                            .colour = colour,
                            .look = Series::Look::kFaint,
                            .is_in_legend = false,
                            .points = points_over(run.training, axis)});
    chart.series.push_back({.name = run.record.name + ", training",
                            .colour = colour,
                            .points = points_over(run.smoothed, axis)});
    chart.series.push_back({.name = run.record.name + ", validation",
                            .colour = colour,
                            .look = Series::Look::kDashed,
                            .points = points_over(run.validation, axis)});
  }
  return chart;
}

Chart rate_chart(std::span<const RunAnalysis> runs) {
  Chart chart{.title = "Tokens per second (band: p10 to p90 of steps)",
              .x_label = "seconds of training",
              .y_label = "tokens/s",
              .starts_at_zero = true,
              .width = 540};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const int colour = static_cast<int>(i % 8);
    Series line{.name = runs[i].record.name, .colour = colour, .points = {}};
    Band band{.colour = colour, .edges = {}};
    for (const RatePoint& rate : runs[i].rates) {
      line.points.push_back({rate.seconds, rate.median});
      band.edges.push_back({rate.seconds, rate.p10, rate.p90});
    }
    chart.series.push_back(std::move(line));
    chart.bands.push_back(std::move(band));
  }
  return chart;
}

// The share of steps that took at most so long.
Chart step_chart(std::span<const RunAnalysis> runs) {
  Chart chart{.title = "Step time: share of steps that took at most so long",
              .x_label = "step time by its median",
              .y_label = "share of steps, %",
              .starts_at_zero = true,
              .x_fits = true,
              .width = 540};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::vector<double> taken;
    for (const auto& step : runs[i].record.steps) {
      if (step.seconds > 0) taken.push_back(step.seconds);
    }
    std::ranges::sort(taken);
    Series series{.name = runs[i].record.name, .colour = static_cast<int>(i % 8), .points = {}};
    const std::size_t share = std::max<std::size_t>(1, taken.size() / 400);
    const double median = taken.empty() ? 1 : quantile(taken, 0.5);
    for (std::size_t k = 0; k < taken.size(); ++k) {
      if (k % share != 0 && k + 1 != taken.size()) continue;
      series.points.push_back({taken[k] / median, 100.0 * static_cast<double>(k + 1) /
                                                      static_cast<double>(taken.size())});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart gradient_chart(std::span<const RunAnalysis> runs) {
  Chart chart{.title = "Gradient norm before clipping",
              .x_label = "steps",
              .y_label = "2-norm",
              .starts_at_zero = true,
              .width = 540};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Series series{.name = runs[i].record.name, .colour = static_cast<int>(i % 8), .points = {}};
    for (const auto& step : runs[i].record.steps) {
      if (step.gradient_norm)
        series.points.push_back({static_cast<double>(step.step), *step.gradient_norm});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

// What one looks for first, per run.
Json tile_of(const RunAnalysis& run, std::size_t colour) {
  const Stretch& last = run.stretches.back();
  const bool is_validated = !run.validation.empty();
  const auto& curve = is_validated ? run.validation : run.smoothed;
  return Json{{"colour", colour},
              {"name", run.record.name},
              {"rate", last.mean_tokens_per_s ? short_number(*last.mean_tokens_per_s) : "unknown"},
              {"loss", curve.empty() ? std::string()
                                     : fmt::format("loss {:.3f} {}", curve.back().loss,
                                                   is_validated ? "validation" : "training")},
              {"mfu", last.mfu ? fmt::format("{:.1f} %", 100 * *last.mfu) : "unknown"},
              {"machine", machine::machine_label(last.machine)}};
}

void add_table(const Figures& figures, Json& values) {
  for (const Column& column : figures.columns)
    values["columns"].push_back({{"colour", column.run % 8}, {"title", column.title}});
  for (const FigureRow& row : figures.rows) {
    Json cells = Json::array();
    for (const std::string& cell : row.cells)
      cells.push_back({{"text", cell}, {"is_unknown", cell == "unknown"}});
    values["rows"].push_back({{"name", row.name}, {"cells", std::move(cells)}});
  }
}

void add_charts(std::span<const RunAnalysis> runs, Json& charts) {
  const bool has_curves = std::ranges::any_of(
      runs, [](const auto& run) { return !run.training.empty() || !run.validation.empty(); });
  if (has_curves) {
    const auto steps = [](const LossPoint& point) { return static_cast<double>(point.step); };
    const auto tokens = [](const LossPoint& point) { return static_cast<double>(point.tokens); };
    const auto spent = [](const LossPoint& point) { return point.seconds; };
    charts.push_back(detail::chart_values(loss_chart(runs, "steps", steps, 1100), true));
    charts.push_back(detail::chart_values(loss_chart(runs, "tokens", tokens, 540), false));
    charts.push_back(
        detail::chart_values(loss_chart(runs, "seconds of training", spent, 540), false));
  }
  charts.push_back(detail::chart_values(rate_chart(runs), false));
  charts.push_back(detail::chart_values(step_chart(runs), false));
  const Chart gradients = gradient_chart(runs);
  if (!gradients.series.empty()) charts.push_back(detail::chart_values(gradients, false));
}

std::vector<std::string> notes_of(std::span<const RunAnalysis> runs) {
  std::vector<std::string> notes;
  for (const RunAnalysis& run : runs) {
    notes.push_back(fmt::format("{}: read from {}", run.record.name, run.record.source));
    for (const std::string& note : run.record.notes) {
      notes.push_back(fmt::format("{}: {}", run.record.name, note));
    }
    notes.push_back(fmt::format("{}: energy {}; carbon: {}", run.record.name,
                                run.record.energy.method, run.carbon_method));
  }
  return notes;
}

}  // namespace

std::string html_page(std::span<const RunAnalysis> runs, const std::string& made_at) {
  const std::string title = runs.size() == 1 ? "Training report: " + runs[0].record.name
                                             : fmt::format("Training report: {} runs", runs.size());
  Json values = {{"tiles", Json::array()},      {"charts", Json::array()},
                 {"columns", Json::array()},    {"rows", Json::array()},
                 {"methods", methods_of(runs)}, {"notes", notes_of(runs)}};
  for (std::size_t i = 0; i < runs.size(); ++i) values["tiles"].push_back(tile_of(runs[i], i % 8));
  add_charts(runs, values["charts"]);
  add_table(figures_of(runs), values);
  return detail::page_of(title, "panal report, " + made_at,
                         detail::filled(pages::kReportHtml, values));
}

}  // namespace panal::report
