// Curves of a run as one self-contained SVG, drawn by hand: no library, no fonts beyond the
// viewer's own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace panal::train::detail {

struct CurvePoint {
  std::int64_t step = 0;
  double value = 0;  // Finite.
};

struct LossCurves {
  std::string title{};
  std::vector<CurvePoint>
      training{};  // By ascending step; drawn thin, with a smoothed line over it.
  std::vector<CurvePoint> validation{};  // Drawn with a mark at each point.
};

/// An SVG image, 760 x 440. Long curves are thinned to what the eye can see.
std::string loss_plot(const LossCurves& curves);

/// Round numbers that divide [low, high] into about `count` parts; at least two, ascending.
std::vector<double> axis_ticks(double low, double high, int count);

}  // namespace panal::train::detail
