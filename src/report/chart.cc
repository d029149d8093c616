#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <span>

#include "base/html.h"
#include "report/detail/page_parts.h"

namespace panal::report {
namespace {

constexpr double kLeft = 64, kRight = 18, kBottom = 46, kTitle = 34, kLegendRow = 18;
constexpr std::size_t kMostPoints = 700;
constexpr std::size_t kMostTitles = 60;  // Marks under the pointer of one curve.

// From data to pixels.
struct Frame {
  double left = 0, right = 1, low = 0, high = 1;  // Of the data.
  double top = 0, width = 0, height = 0;          // Of the image.
  double x(double value) const {
    return kLeft + (value - left) / (right - left) * (width - kLeft - kRight);
  }
  double y(double value) const {
    return height - kBottom - (value - low) / (high - low) * (height - top - kBottom);
  }
};

// Means of equal shares, so that a curve has at most kMostPoints points.
std::vector<ChartPoint> thinned(std::span<const ChartPoint> points) {
  const std::size_t share = (points.size() + kMostPoints - 1) / kMostPoints;
  if (share <= 1) return {points.begin(), points.end()};
  std::vector<ChartPoint> kept;
  for (std::size_t begin = 0; begin < points.size(); begin += share) {
    const auto part = points.subspan(begin, std::min(share, points.size() - begin));
    double sum = 0;
    for (const auto& point : part) sum += point.y;
    kept.push_back({part.back().x, sum / static_cast<double>(part.size())});
  }
  return kept;
}

Frame frame_around(const Chart& chart, bool& is_empty) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double left = kInfinity, right = -kInfinity, low = kInfinity, high = -kInfinity;
  const auto see = [&](double x, double y) {
    left = std::min(left, x);
    right = std::max(right, x);
    low = std::min(low, y);
    high = std::max(high, y);
  };
  for (const auto& series : chart.series) {
    for (const auto& point : series.points) see(point.x, point.y);
  }
  for (const auto& band : chart.bands) {
    for (const auto& edge : band.edges) {
      see(edge.x, edge.low);
      see(edge.x, edge.high);
    }
  }
  is_empty = !(left <= right);
  if (is_empty) return {.width = chart.width, .height = chart.height};
  if (!chart.x_fits) left = std::min(left, 0.0);
  const double scale = std::max(std::abs(low), std::abs(high));
  const double margin = std::max({0.06 * (high - low), 0.02 * scale, 1e-9});
  return {.left = left,
          .right = right > left ? right : left + 1,
          .low = chart.starts_at_zero || low - margin < 0 ? std::min(0.0, low) : low - margin,
          .high = high + margin,
          .width = chart.width,
          .height = chart.height};
}

void add_axes(std::string& svg, const Chart& chart, const Frame& frame) {
  const double bottom = frame.height - kBottom, right = frame.width - kRight;
  for (const double value : axis_ticks(frame.low, frame.high, 6)) {
    const double y = frame.y(value);
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n"
        "<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
        kLeft, y, right, y, kLeft - 7, y + 4, short_number(value));
  }
  for (const double value : axis_ticks(frame.left, frame.right, chart.width < 500 ? 5 : 8)) {
    const double x = frame.x(value);
    svg += fmt::format(
        "<line class=\"axis\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>\n"
        "<text class=\"tick\" x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4}</text>\n",
        x, bottom, bottom + 4, bottom + 18, short_number(value));
  }
  svg += fmt::format(
      "<polyline class=\"axis\" points=\"{0:.1f},{1:.1f} {0:.1f},{2:.1f} {3:.1f},{2:.1f}\"/>\n"
      "<text class=\"label\" x=\"{4:.1f}\" y=\"{5:.1f}\" text-anchor=\"middle\">{6}</text>\n"
      "<text class=\"label\" x=\"14\" y=\"{7:.1f}\" text-anchor=\"middle\" "
      "transform=\"rotate(-90 14 {7:.1f})\">{8}</text>\n",
      kLeft, frame.top, bottom, right, (kLeft + right) / 2, bottom + 37, escaped(chart.x_label),
      (frame.top + bottom) / 2, escaped(chart.y_label));
}

void add_band(std::string& svg, const Frame& frame, const Band& band) {
  if (band.edges.size() < 2) return;
  svg += fmt::format("<polygon class=\"band c{}\" points=\"", band.colour % 8);
  for (const auto& edge : band.edges) {
    svg += fmt::format("{:.1f},{:.1f} ", frame.x(edge.x), frame.y(edge.high));
  }
  for (auto edge = band.edges.rbegin(); edge != band.edges.rend(); ++edge) {
    svg += fmt::format("{:.1f},{:.1f} ", frame.x(edge->x), frame.y(edge->low));
  }
  svg += "\"/>\n";
}

void add_series(std::string& svg, const Chart& chart, const Frame& frame, const Series& series) {
  const std::vector<ChartPoint> points = thinned(series.points);
  const char* look = series.look == Series::Look::kLine    ? "line"
                     : series.look == Series::Look::kFaint ? "faint"
                                                           : "dashed";
  svg += fmt::format("<polyline class=\"{} c{}\" points=\"", look, series.colour % 8);
  for (const auto& point : points) {
    svg += fmt::format("{:.1f},{:.1f} ", frame.x(point.x), frame.y(point.y));
  }
  svg += "\"/>\n";
  if (series.look == Series::Look::kFaint) return;
  const bool is_marked = series.look == Series::Look::kDashed || points.size() == 1;
  const std::size_t share = (points.size() + kMostTitles - 1) / kMostTitles;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i % share != 0 && i + 1 != points.size()) continue;
    svg += fmt::format(
        "<circle class=\"{} c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\">"
        "<title>{}\n{}: {}\n{}: {:.4g}</title></circle>\n",
        is_marked ? "mark" : "ghost", series.colour % 8, frame.x(points[i].x), frame.y(points[i].y),
        is_marked ? "3.2" : "6", escaped(series.name), escaped(chart.x_label),
        short_number(points[i].x), escaped(chart.y_label), points[i].y);
  }
}

struct LegendPlace {
  const Series* series;
  double x, y;
};

// Entries in rows; `bottom` is set to the end of the last one.
std::vector<LegendPlace> place_legend(const Chart& chart, double& bottom) {
  std::vector<LegendPlace> places;
  double x = kLeft, y = kTitle + 10;
  for (const auto& series : chart.series) {
    if (!series.is_in_legend || series.points.empty()) continue;
    const double length = 40 + 6.6 * static_cast<double>(series.name.size());
    if (x > kLeft && x + length > chart.width - kRight) {
      x = kLeft;
      y += kLegendRow;
    }
    places.push_back({&series, x, y});
    x += length;
  }
  bottom = places.empty() ? kTitle : y + 6;
  return places;
}

void add_legend(std::string& svg, const std::vector<LegendPlace>& places) {
  for (const auto& [series, x, y] : places) {
    const char* look = series->look == Series::Look::kDashed ? "dashed" : "line";
    svg += fmt::format(
        "<line class=\"{} c{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"key\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
        look, series->colour % 8, x, y - 4, x + 20, y - 4, x + 26, y, escaped(series->name));
  }
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string printable;
  std::ranges::copy_if(text, std::back_inserter(printable),
                       [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  return escaped_html(printable);
}

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return fmt::format("{:.4g} G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.4g} M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g} k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

std::vector<double> axis_ticks(double low, double high, int count) {
  const double wanted = (high - low) / std::max(1, count);
  const double power = std::pow(10.0, std::floor(std::log10(wanted)));
  double gap = power * 10;
  for (const double round : {1.0, 2.0, 5.0}) {
    if (power * round >= wanted) {
      gap = power * round;
      break;
    }
  }
  std::vector<double> ticks;
  for (double i = std::ceil(low / gap - 1e-9); i * gap <= high + gap * 1e-9; ++i)
    ticks.push_back(i * gap + 0.0);  // Plus zero, so that -0 is shown as 0.
  if (ticks.size() < 2) return {low, high};
  return ticks;
}

std::string to_svg(const Chart& chart) {
  bool is_empty = false;
  Frame frame = frame_around(chart, is_empty);
  double legend_bottom = 0;
  const std::vector<LegendPlace> legend = place_legend(chart, legend_bottom);
  frame.top = legend_bottom + 8;
  // Every further row of the legend makes the image taller, not the plot lower.
  frame.height = chart.height + legend_bottom - kTitle;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" "
      "aria-label=\"{}\">\n<text class=\"title\" x=\"{}\" y=\"20\">{}</text>\n",
      frame.width, frame.height, escaped(chart.title), kLeft, escaped(chart.title));
  if (is_empty) {
    svg += fmt::format(
        "<text class=\"tick\" x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">nothing was "
        "recorded</text>\n",
        frame.width / 2, frame.height / 2);
    return svg + "</svg>\n";
  }
  add_axes(svg, chart, frame);
  for (const auto& band : chart.bands) add_band(svg, frame, band);
  for (const auto& series : chart.series) add_series(svg, chart, frame, series);
  add_legend(svg, legend);
  return svg + "</svg>\n";
}

std::string to_standalone_svg(const Chart& chart) {
  std::string svg = to_svg(chart);
  return svg.insert(svg.find('>') + 1,
                    fmt::format("\n<style>{}</style>\n<rect width=\"100%\" height=\"100%\" "
                                "style=\"fill: var(--ground)\"/>",
                                detail::page_style()));
}

}  // namespace panal::report
