// Line charts as SVG text: axes with round ticks, a legend, and a title under the pointer at every
// mark. Colours come from the page's style sheet (classes c0 to c7), so that one image reads well
// on light and dark screens and on paper. No script, no fonts beyond the viewer's own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace panal::report {

struct ChartPoint {
  double x = 0, y = 0;  // Finite.
};

struct Series {
  enum class Look {
    kLine,
    kFaint,   // Thin and pale: what stands behind a smoothed line.
    kDashed,  // With a mark at each point.
  };
  std::string name{};  // For legend and titles; may be anything.
  int colour = 0;      // 0 to 7.
  Look look = Look::kLine;
  bool is_in_legend = true;
  std::vector<ChartPoint> points{};  // By ascending x.
};

/// An area between two curves.
struct Band {
  struct Edge {
    double x = 0, low = 0, high = 0;
  };
  int colour = 0;
  std::vector<Edge> edges{};  // By ascending x.
};

struct Chart {
  std::string title, x_label, y_label{};
  std::vector<Series> series{};
  std::vector<Band> bands{};
  bool starts_at_zero = false;  // The y axis; else it fits the values.
  bool x_fits = false;          // The x axis fits the values; else it starts at 0.
  double width = 760, height = 340;
};

/// An <svg> element. Long curves are thinned to what the eye can see; a chart without points says
/// so.
std::string to_svg(const Chart& chart);
/// The same as a file of its own, with the style sheet that a page would give it.
std::string to_standalone_svg(const Chart& chart);

/// Round numbers that divide [low, high] into about `count` parts; at least two, ascending.
std::vector<double> axis_ticks(double low, double high, int count);

/// "1.2 M", "340 k", "0.05": at most four digits.
std::string short_number(double value);

/// Text as HTML and SVG show it, within attributes too; control characters are left out.
std::string escaped(std::string_view text);

}  // namespace panal::report
