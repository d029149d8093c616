#include "train/detail/plot.h"

#include <fmt/format.h>

#include <utility>

#include "report/chart.h"
#include "report/statistics.h"

namespace panal::train::detail {
namespace {

std::vector<report::ChartPoint> chart_points(const std::vector<CurvePoint>& curve) {
  std::vector<report::ChartPoint> points;
  for (const auto& point : curve) points.push_back({static_cast<double>(point.step), point.value});
  return points;
}

}  // namespace

std::string loss_plot(const LossCurves& curves) {
  using Look = report::Series::Look;
  report::Chart chart{.title = curves.title, .x_label = "step", .y_label = "loss, nats per token"};
  const auto add = [&](std::string name, int colour, Look look,
                       std::vector<report::ChartPoint> points) {
    if (points.empty()) return;
    if (look != Look::kFaint) name += fmt::format(" {:.3f}", points.back().y);
    chart.series.push_back({.name = std::move(name),
                            .colour = colour,
                            .look = look,
                            .is_in_legend = look != Look::kFaint,
                            .points = std::move(points)});
  };
  std::vector<report::ChartPoint> smoothed = chart_points(curves.training);
  report::RunningMean mean(smoothed.size());
  for (auto& point : smoothed) point.y = mean.after(point.y);
  add("training, each step", 0, Look::kFaint, chart_points(curves.training));
  add("training", 0, Look::kLine, std::move(smoothed));
  add("validation", 1, Look::kDashed, chart_points(curves.validation));
  return report::to_standalone_svg(chart);
}

}  // namespace panal::train::detail
