// Plain SVG charts: linear axes, a line a run, round tick values.
#include <algorithm>
#include <cmath>

#include "report/charts.h"
#include "report/drawing.h"

namespace svtune {
namespace {

constexpr double kRightOfChart = 14;

struct Axis {
  double low = 0, high = 1;   // values
  double begin = 0, end = 1;  // positions of low and high
  double at(double value) const { return begin + (value - low) / (high - low) * (end - begin); }
};

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

void widen(Range& range, bool from_zero) {
  if (from_zero) range.add(0);
  if (range.high - range.low > 1e-12 * std::max(std::abs(range.low), std::abs(range.high))) {
    const double margin = 0.04 * (range.high - range.low);
    range.high += margin;
    if (!from_zero) range.low -= margin;
    return;
  }
  const double margin = range.high == 0 ? 1 : 0.1 * std::abs(range.high);
  range.low -= margin;
  range.high += margin;
}

std::string line_path(const std::vector<double>& xs, const std::vector<double>& ys, const Axis& x,
                      const Axis& y) {
  std::string d;
  bool pen_down = false;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (!std::isfinite(ys[i])) {
      pen_down = false;
      continue;
    }
    d += (pen_down ? "L" : "M") + coordinate(x.at(xs[i])) + " " + coordinate(y.at(ys[i]));
    pen_down = true;
  }
  return d;
}

std::string path_element(const std::string& d, std::size_t run, const char* kind) {
  return "<path class=\"" + std::string(kind) + " run-" + std::to_string(run % 8) + "\" d=\"" + d +
         "\"/>";
}

std::string axes(const Axis& x, const Axis& y, NumberStyle style) {
  std::string out;
  const std::vector<double> ticks = axis_ticks(y.low, y.high, 5, style);
  const std::vector<std::string> labels = format_ticks(ticks, style);
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const double at = y.at(ticks[i]);
    out += "<path class=\"grid\" d=\"M" + coordinate(x.begin) + " " + coordinate(at) + "H" +
           coordinate(x.end) + "\"/>" + text_element(x.begin - 8, at + 4, "end", labels[i]);
  }
  std::vector<double> steps = nice_ticks(x.low, x.high, 7);
  std::erase_if(steps, [](double step) { return std::floor(step) != step; });
  const std::vector<std::string> names = format_ticks(steps, NumberStyle::kRate);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    out += text_element(x.at(steps[i]), y.begin + 19, "middle", names[i]);
  }
  out += text_element(0, y.begin + 19, "start", "step");
  out += "<path class=\"axis\" d=\"M" + coordinate(x.begin) + " " + coordinate(y.begin) + "H" +
         coordinate(x.end) + "\"/>";
  return out;
}

// A line needs two points; a single one is a dot, as are the few points of an evaluation.
std::string dots(const Series& series, std::size_t run, const Axis& x, const Axis& y) {
  std::string out;
  for (std::size_t i = 0; i < series.steps.size(); ++i) {
    if (!std::isfinite(series.values[i])) continue;
    out += "<circle class=\"dot run-" + std::to_string(run % 8) + "\" r=\"2.6\" cx=\"" +
           coordinate(x.at(series.steps[i])) + "\" cy=\"" + coordinate(y.at(series.values[i])) +
           "\"/>";
  }
  return out;
}

std::string lines(const Chart& chart, double smoothing, const Axis& x, const Axis& y) {
  std::string raw;
  std::string main;
  for (std::size_t run = 0; run < chart.series.size(); ++run) {
    const Series& series = chart.series[run];
    const std::string d = line_path(series.steps, series.values, x, y);
    if (d.empty()) continue;
    if (chart.spec->smooth && smoothing > 0) {
      raw += path_element(d, run, "raw");
      const std::vector<double> mean = smoothed(series.values, smoothing);
      main += path_element(line_path(series.steps, mean, x, y), run, "series");
    } else {
      main += path_element(d, run, "series");
      if (series.steps.size() <= 40) main += dots(series, run, x, y);
    }
  }
  return raw + main;
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(1, count);
  if (!(rough > 0) || !std::isfinite(rough)) return {low};
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double unit = rough / power;
  const double step = power * (unit < 1.5 ? 1 : unit < 3 ? 2 : unit < 7 ? 5 : 10);
  std::vector<double> ticks;
  // Counting in steps keeps 0.3 from becoming 0.30000000000000004 by addition.
  for (auto i = static_cast<std::int64_t>(std::ceil(low / step - 1e-9));
       i * step <= high + 1e-9 * step; ++i) {
    ticks.push_back(static_cast<double>(i) * step);
  }
  return ticks;
}

std::vector<double> axis_ticks(double low, double high, int count, NumberStyle style) {
  double unit = 1;
  if (style == NumberStyle::kBytes) {
    while (unit < 0x1p40 && high >= unit * 1024) unit *= 1024;
  }
  std::vector<double> ticks = nice_ticks(low / unit, high / unit, count);
  for (double& tick : ticks) tick *= unit;
  return ticks;
}

StepRange step_range(const std::vector<Chart>& charts) {
  Range range;
  for (const Chart& chart : charts) {
    for (const Series& series : chart.series) {
      for (const double step : series.steps) range.add(step);
    }
  }
  if (range.high <= range.low) return {range.low - 1, range.low + 1};
  return {range.low, range.high};
}

std::string chart_svg(const Chart& chart, double smoothing, const StepRange& steps) {
  Range ys;
  for (const Series& series : chart.series) {
    for (const double value : series.values) ys.add(value);
  }
  widen(ys, chart.spec->from_zero);
  const Axis x{steps.first, steps.last, kDrawingLeft, kDrawingWidth - kRightOfChart};
  const Axis y{ys.low, ys.high, kDrawingHeight - kDrawingBottom, kDrawingTop};
  return "<svg class=\"chart\" viewBox=\"0 0 " + coordinate(kDrawingWidth) + " " +
         coordinate(kDrawingHeight) + "\" role=\"img\" aria-label=\"" +
         escape_html(chart.spec->title) + " by step\">" + axes(x, y, chart.spec->style) +
         lines(chart, smoothing, x, y) + "</svg>";
}

}  // namespace svtune
