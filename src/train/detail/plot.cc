#include "train/detail/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace panal::train::detail {
namespace {

constexpr double kWidth = 760, kHeight = 440;
constexpr double kLeft = 66, kRight = 24, kTop = 48, kBottom = 54;
constexpr std::size_t kMostPoints = 1200;
constexpr const char* kTrainingColour = "#3b6fb6";
constexpr const char* kValidationColour = "#d1602c";

// From data to pixels.
struct Frame {
  double first_step, last_step, low, high;
  double x(double step) const {
    return kLeft + (step - first_step) / (last_step - first_step) * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    return kHeight - kBottom - (value - low) / (high - low) * (kHeight - kTop - kBottom);
  }
};

// Means of equal shares, so that a curve has at most kMostPoints points.
std::vector<CurvePoint> thinned(std::span<const CurvePoint> points) {
  const std::size_t share = (points.size() + kMostPoints - 1) / kMostPoints;
  if (share <= 1) return {points.begin(), points.end()};
  std::vector<CurvePoint> kept;
  for (std::size_t begin = 0; begin < points.size(); begin += share) {
    const auto part = points.subspan(begin, std::min(share, points.size() - begin));
    double sum = 0;
    for (const auto& point : part) sum += point.value;
    kept.push_back({part.back().step, sum / static_cast<double>(part.size())});
  }
  return kept;
}

// An exponential mean whose memory is a fortieth of the curve, corrected for its start at 0.
std::vector<CurvePoint> smoothed(std::span<const CurvePoint> points) {
  const double keep = 1.0 - 1.0 / std::max(1.0, static_cast<double>(points.size()) / 40.0);
  std::vector<CurvePoint> out;
  double mean = 0, weight = 0;
  for (const auto& point : points) {
    mean = keep * mean + (1 - keep) * point.value;
    weight = keep * weight + (1 - keep);
    out.push_back({point.step, mean / weight});
  }
  return out;
}

Frame frame_around(const LossCurves& curves) {
  Frame frame{0, 1, 0, 1};
  bool is_first = true;
  for (const auto* curve : {&curves.training, &curves.validation}) {
    for (const auto& point : *curve) {
      frame.last_step = std::max(frame.last_step, static_cast<double>(point.step));
      frame.low = is_first ? point.value : std::min(frame.low, point.value);
      frame.high = is_first ? point.value : std::max(frame.high, point.value);
      is_first = false;
    }
  }
  const double margin = std::max(0.05, 0.06 * (frame.high - frame.low));
  frame.low = std::max(0.0, frame.low - margin);
  frame.high += margin;
  return frame;
}

void add_axes(std::string& svg, const Frame& frame) {
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (const double value : axis_ticks(frame.low, frame.high, 6)) {
    const double y = frame.y(value);
    svg += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#e3e3e3\"/>\n"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>\n",
        kLeft, y, right, y, kLeft - 8, y + 4, value);
  }
  for (const double step : axis_ticks(frame.first_step, frame.last_step, 8)) {
    if (step != std::floor(step)) continue;  // There is no half of a step.
    const double x = frame.x(step);
    svg += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#555\"/>\n"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>\n",
        x, bottom, x, bottom + 5, x, bottom + 20, step);
  }
  svg += fmt::format(
      "<polyline points=\"{0:.1f},{1:.1f} {0:.1f},{2:.1f} {3:.1f},{2:.1f}\" fill=\"none\" "
      "stroke=\"#555\"/>\n"
      "<text x=\"{4:.1f}\" y=\"{5:.1f}\" text-anchor=\"middle\">step</text>\n"
      "<text x=\"18\" y=\"{6:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 18 "
      "{6:.1f})\">loss "
      "(nats per token)</text>\n",
      kLeft, kTop, bottom, right, (kLeft + right) / 2, bottom + 42, (kTop + bottom) / 2);
}

void add_line(std::string& svg, const Frame& frame, std::span<const CurvePoint> points,
              std::string_view colour, std::string_view style) {
  if (points.empty()) return;
  svg += "<polyline points=\"";
  for (const auto& point : points) {
    svg += fmt::format("{:.1f},{:.1f} ", frame.x(static_cast<double>(point.step)),
                       frame.y(point.value));
  }
  svg += fmt::format("\" fill=\"none\" stroke=\"{}\" {}/>\n", colour, style);
}

void add_legend(std::string& svg, double x, std::string_view colour, const std::string& text) {
  svg += fmt::format(
      "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\" stroke=\"{3}\" "
      "stroke-width=\"3\"/>\n<text x=\"{4:.1f}\" y=\"{5:.1f}\">{6}</text>\n",
      x, kTop - 12, x + 22, colour, x + 28, kTop - 8, text);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      out += c;
  }
  return out;
}

}  // namespace

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

std::string loss_plot(const LossCurves& curves) {
  const Frame frame = frame_around(curves);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
      "<text x=\"{2}\" y=\"20\" font-size=\"15\" font-weight=\"bold\">{3}</text>\n",
      kWidth, kHeight, kLeft, escaped(curves.title));
  add_axes(svg, frame);
  const std::vector<CurvePoint> training = thinned(curves.training);
  add_line(svg, frame, training, kTrainingColour, "stroke-width=\"1\" stroke-opacity=\"0.35\"");
  add_line(svg, frame, smoothed(training), kTrainingColour, "stroke-width=\"2\"");
  add_line(svg, frame, curves.validation, kValidationColour, "stroke-width=\"2\"");
  for (const auto& point : curves.validation) {
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n",
                       frame.x(static_cast<double>(point.step)), frame.y(point.value),
                       kValidationColour);
  }
  const auto last = [](const std::vector<CurvePoint>& points) { return points.back().value; };
  if (!training.empty()) {
    add_legend(svg, kLeft, kTrainingColour,
               fmt::format("training {:.3f}", last(smoothed(training))));
  }
  if (!curves.validation.empty()) {
    add_legend(svg, kLeft + 170, kValidationColour,
               fmt::format("validation {:.3f}", last(curves.validation)));
  }
  return svg + "</svg>\n";
}

}  // namespace panal::train::detail
