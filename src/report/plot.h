// Plain line plots as SVG: any quantity over any other, linear or logarithmic, drawn once and
// without a script.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "report/html.h"

namespace svtune {

struct PlotLine {
  std::size_t colour = 0;  // as of a run: 0 to 7
  std::vector<double> x, y;
  bool faint = false;
};

struct Plot {
  std::string id, title;
  std::string note = {};     // unit and what is drawn, beside the title
  std::string x_label = {};  // below the left end of the axis
  NumberStyle x_style = NumberStyle::kRate, y_style = NumberStyle::kPlain;
  bool log_x = false, log_y = false;  // powers of 2 and of 10; values that are not positive: gaps
  bool from_zero = false;
  std::vector<PlotLine> lines = {};
  std::optional<double> mark = {};  // a dashed line at this x
};

// <figure class="card"> with the plot; "" when no line has two points.
std::string plot_card(const Plot& plot);

// A line of `values` without axes, about 120 x 24 units, lowest at the bottom.
std::string sparkline_svg(const std::vector<double>& values, std::size_t colour);

}  // namespace svtune
