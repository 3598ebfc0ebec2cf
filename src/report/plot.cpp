#include "report/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/charts.h"
#include "report/drawing.h"

namespace svtune {
namespace {

constexpr double kRightOfPlot = 24;

// One axis: from values to positions, on a linear or logarithmic scale.
struct Scale {
  bool logarithmic = false;
  double low = std::numeric_limits<double>::infinity();  // of the transformed values
  double high = -std::numeric_limits<double>::infinity();
  double begin = 0, end = 1;

  double transform(double value) const {
    if (!logarithmic) return value;
    return value > 0 ? std::log10(value) : std::numeric_limits<double>::quiet_NaN();
  }
  void add(double value) {
    const double t = transform(value);
    if (!std::isfinite(t)) return;
    low = std::min(low, t);
    high = std::max(high, t);
  }
  // Room around what was added; a scale needs some extent.
  void widen(double share, bool below) {
    const double extent = high - low;
    const double margin = extent > 0 ? share * extent : 0.5 * std::max(std::abs(high), 1e-3);
    high += margin;
    if (below || extent <= 0) low -= margin;
  }
  double at(double value) const {
    return begin + (transform(value) - low) / (high - low) * (end - begin);
  }
};

struct Ticks {
  std::vector<double> values;
  std::vector<std::string> labels;
};

// Powers of `base` within the scale, every second or third where there are many.
Ticks power_ticks(const Scale& scale, double base, std::size_t most, NumberStyle style) {
  const double unit = std::log10(base);
  const auto first = static_cast<int>(std::ceil(scale.low / unit - 1e-9));
  const auto last = static_cast<int>(std::floor(scale.high / unit + 1e-9));
  const int step = std::max(1, (last - first) / static_cast<int>(most) + 1);
  Ticks ticks;
  for (int power = first; power <= last; power += step) {
    const double value = std::pow(base, power);
    ticks.values.push_back(value);
    ticks.labels.push_back(style == NumberStyle::kRate
                               ? format_quantity(value, style)
                               : format_quantity(value, NumberStyle::kScientific));
  }
  return ticks;
}

Ticks ticks_of(const Scale& scale, double base, int count, NumberStyle style) {
  if (scale.logarithmic) {
    Ticks ticks = power_ticks(scale, base, static_cast<std::size_t>(count), style);
    if (ticks.values.size() > 1) return ticks;
    // Less than two powers: round numbers, unevenly spaced.
    ticks.values = nice_ticks(std::pow(10, scale.low), std::pow(10, scale.high), count);
    std::erase_if(ticks.values, [](double value) { return value <= 0; });
    ticks.labels = format_ticks(ticks.values, style);
    return ticks;
  }
  Ticks ticks{axis_ticks(scale.low, scale.high, count, style), {}};
  ticks.labels = format_ticks(ticks.values, style);
  return ticks;
}

std::string axes(const Plot& plot, const Scale& x, const Scale& y) {
  std::string out;
  const Ticks rows = ticks_of(y, 10, 5, plot.y_style);
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    const double at = y.at(rows.values[i]);
    out += "<path class=\"grid\" d=\"M" + coordinate(x.begin) + " " + coordinate(at) + "H" +
           coordinate(x.end) + "\"/>" + text_element(x.begin - 8, at + 4, "end", rows.labels[i]);
  }
  const Ticks columns = ticks_of(x, 2, 9, plot.x_style);
  for (std::size_t i = 0; i < columns.values.size(); ++i) {
    out += text_element(x.at(columns.values[i]), y.begin + 19, "middle", columns.labels[i]);
  }
  out += text_element(0, y.begin + 19, "start", plot.x_label);
  return out + "<path class=\"axis\" d=\"M" + coordinate(x.begin) + " " + coordinate(y.begin) +
         "H" + coordinate(x.end) + "\"/>";
}

std::string line_path(const PlotLine& line, const Scale& x, const Scale& y) {
  std::string d;
  bool pen_down = false;
  for (std::size_t i = 0; i < line.x.size(); ++i) {
    const double px = x.at(line.x[i]), py = y.at(line.y[i]);
    if (!std::isfinite(px) || !std::isfinite(py)) {
      pen_down = false;
      continue;
    }
    d += (pen_down ? "L" : "M") + coordinate(px) + " " + coordinate(py);
    pen_down = true;
  }
  return "<path class=\"" + std::string(line.faint ? "raw" : "series") + " run-" +
         std::to_string(line.colour % 8) + "\" d=\"" + d + "\"/>";
}

}  // namespace

std::string plot_card(const Plot& plot) {
  Scale x{.logarithmic = plot.log_x, .begin = kDrawingLeft, .end = kDrawingWidth - kRightOfPlot};
  Scale y{.logarithmic = plot.log_y, .begin = kDrawingHeight - kDrawingBottom, .end = kDrawingTop};
  std::size_t longest = 0;
  for (const PlotLine& line : plot.lines) {
    longest = std::max(longest, line.x.size());
    for (const double value : line.x) x.add(value);
    for (const double value : line.y) y.add(value);
  }
  if (longest < 2 || !(x.high > x.low)) return "";
  if (plot.from_zero) y.add(0);
  y.widen(0.04, !plot.from_zero);
  std::string lines;
  for (const PlotLine& line : plot.lines) lines += line_path(line, x, y);
  std::string mark;
  if (plot.mark && std::isfinite(x.at(*plot.mark))) {
    mark = "<path class=\"cross\" d=\"M" + coordinate(x.at(*plot.mark)) + " " +
           coordinate(y.begin) + "V" + coordinate(y.end) + "\"/>";
  }
  return "<figure class=\"card\" id=\"plot-" + plot.id + "\"><figcaption><b>" +
         escape_html(plot.title) + "</b><span>" + escape_html(plot.note) +
         "</span></figcaption><svg class=\"chart\" viewBox=\"0 0 " + coordinate(kDrawingWidth) +
         " " + coordinate(kDrawingHeight) + "\" role=\"img\" aria-label=\"" +
         escape_html(plot.title) + "\">" + axes(plot, x, y) + mark + lines + "</svg></figure>";
}

std::string sparkline_svg(const std::vector<double>& values, std::size_t colour) {
  Scale x{.begin = 1, .end = 119};
  Scale y{.begin = 23, .end = 1};
  PlotLine line{colour, {}, values};
  for (std::size_t i = 0; i < values.size(); ++i) {
    line.x.push_back(static_cast<double>(i));
    x.add(line.x.back());
    y.add(values[i]);
  }
  if (values.size() < 2) return "";
  y.widen(0, true);
  return "<svg class=\"spark\" viewBox=\"0 0 120 24\" aria-hidden=\"true\">" +
         line_path(line, x, y) + "</svg>";
}

}  // namespace svtune
