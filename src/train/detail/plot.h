// The curves of a run as one picture, drawn by the room report.
#pragma once

#include <cstdint>
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

/// A self-contained SVG image. Long curves are thinned to what the eye can see.
std::string loss_plot(const LossCurves& curves);

}  // namespace panal::train::detail
