#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/chart.h"
#include "report/figures.h"

namespace panal::report {
namespace {

// The palette is Okabe and Ito's (2008), which colour-blind readers can tell apart; darkened or
// lightened where the ground needs it.
constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1c2330; --soft: #5b6474; --grid: #e4e7ec; --card: #f7f8fa;
  --c0: #0064a8; --c1: #c4500a; --c2: #00805f; --c3: #a64d82; --c4: #8a6d00; --c5: #2b8cc4; --c6: #6b4fc0; --c7: #4a4a4a; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181f; --ink: #e6e9ef; --soft: #9aa4b5; --grid: #2b323d; --card: #1b2029;
  --c0: #56a9e8; --c1: #f08a3c; --c2: #2fc79b; --c3: #de8fbd; --c4: #e3c34a; --c5: #8fd0f5; --c6: #ac98f2; --c7: #c0c0c0; } }
@media print { :root { --ground: #ffffff; --ink: #000000; --soft: #444444; --grid: #dddddd; --card: #ffffff;
  --c0: #0064a8; --c1: #c4500a; --c2: #00805f; --c3: #a64d82; --c4: #8a6d00; --c5: #2b8cc4; --c6: #6b4fc0; --c7: #4a4a4a; }
  figure, tr { break-inside: avoid; } main { max-width: none; padding: 0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 34px 0 10px; }
p.made { color: var(--soft); margin: 0 0 18px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
tbody th { font-weight: 400; color: var(--soft); white-space: nowrap; } td.unknown { color: var(--soft); font-style: italic; }
thead th { font-weight: 600; overflow-wrap: anywhere; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 7px; background: currentColor; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(235px, 1fr)); gap: 12px; }
.tile { background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 12px 14px; overflow-wrap: anywhere; }
.tile b { display: block; font-size: 21px; } .tile span { color: var(--soft); font-size: 13px; } .tile h3 { margin: 0 0 6px; font-size: 14px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 14px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 8px; }
figure.wide { grid-column: 1 / -1; } svg { display: block; width: 100%; height: auto; }
ul { padding-left: 20px; } li { overflow-wrap: anywhere; margin: 3px 0; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .title { font-size: 14px; font-weight: 600; }
svg .tick, svg .label { fill: var(--soft); } svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--soft); fill: none; }
svg .line, svg .faint, svg .dashed { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
svg .faint { stroke-width: 1; stroke-opacity: .28; } svg .dashed { stroke-width: 1.5; stroke-dasharray: 5 4; }
svg .band { fill: currentColor; fill-opacity: .16; } svg .mark { fill: currentColor; }
svg .ghost { fill: currentColor; fill-opacity: 0; } svg .ghost:hover { fill-opacity: .5; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); } .c7 { color: var(--c7); }
)";

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

std::string figure(const Chart& chart, bool is_wide) {
  return fmt::format("<figure{}>\n{}</figure>\n", is_wide ? " class=\"wide\"" : "", to_svg(chart));
}

// What one looks for first, per run.
std::string tiles(std::span<const RunAnalysis> runs) {
  std::string html = "<div class=\"tiles\">\n";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunAnalysis& run = runs[i];
    const Stretch& last = run.stretches.back();
    const auto& curve = run.validation.empty() ? run.smoothed : run.validation;
    const std::string loss = curve.empty()
                                 ? std::string()
                                 : fmt::format("loss {:.3f} {} &middot; ", curve.back().loss,
                                               run.validation.empty() ? "training" : "validation");
    html += fmt::format(
        "<div class=\"tile\"><h3><i class=\"dot c{}\"></i>{}</h3><b>{} tokens/s</b><span>{}MFU "
        "{} &middot; {}</span></div>\n",
        i % 8, escaped(run.record.name),
        last.mean_tokens_per_s ? short_number(*last.mean_tokens_per_s) : "unknown", loss,
        last.mfu ? fmt::format("{:.1f} %", 100 * *last.mfu) : "unknown",
        escaped(machine_label(last.machine)));
  }
  return html + "</div>\n";
}

std::string table(const Figures& figures) {
  std::string html = "<div class=\"scroll\"><table>\n<thead><tr><th></th>";
  for (const Column& column : figures.columns) {
    html +=
        fmt::format("<th><i class=\"dot c{}\"></i>{}</th>", column.run % 8, escaped(column.title));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const FigureRow& row : figures.rows) {
    html += fmt::format("<tr><th>{}</th>", escaped(row.name));
    for (const std::string& cell : row.cells) {
      html += fmt::format("<td{}>{}</td>", cell == "unknown" ? " class=\"unknown\"" : "",
                          escaped(cell));
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string list(const std::vector<std::string>& lines) {
  std::string html = "<ul>\n";
  for (const std::string& line : lines) html += fmt::format("<li>{}</li>\n", escaped(line));
  return html + "</ul>\n";
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
  std::string title = runs.size() == 1 ? "Training report: " + runs[0].record.name
                                       : fmt::format("Training report: {} runs", runs.size());
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style>"
      "</head>\n<body><main>\n<h1>{0}</h1>\n<p class=\"made\">panal report, {2}</p>\n",
      escaped(title), kStyle, escaped(made_at));
  html += tiles(runs);
  const bool has_curves = std::ranges::any_of(
      runs, [](const auto& run) { return !run.training.empty() || !run.validation.empty(); });
  html += "<h2>Curves</h2>\n<div class=\"charts\">\n";
  if (has_curves) {
    const auto steps = [](const LossPoint& point) { return static_cast<double>(point.step); };
    const auto tokens = [](const LossPoint& point) { return static_cast<double>(point.tokens); };
    const auto spent = [](const LossPoint& point) { return point.seconds; };
    html += figure(loss_chart(runs, "steps", steps, 1100), true);
    html += figure(loss_chart(runs, "tokens", tokens, 540), false);
    html += figure(loss_chart(runs, "seconds of training", spent, 540), false);
  }
  html += figure(rate_chart(runs), false) + figure(step_chart(runs), false);
  const Chart gradients = gradient_chart(runs);
  if (!gradients.series.empty()) html += figure(gradients, false);
  html += "</div>\n<h2>Figures</h2>\n" + table(figures_of(runs));
  html += "<h2>How they were made</h2>\n" + list(methods_of(runs));
  html += "<h2>Sources and notes</h2>\n" + list(notes_of(runs));
  return html + "</main></body></html>\n";
}

}  // namespace panal::report
