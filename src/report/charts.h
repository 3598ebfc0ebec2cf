// The charts of the report: which there are, their data for the page's script, and the plain
// SVG drawing of each.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "report/html.h"
#include "report/report_input.h"

namespace svtune {

struct ChartSpec {
  std::string_view id;
  std::string_view title;
  std::string_view unit;  // of a loss empty: it depends on what a run learns
  std::optional<double> MetricPoint::* member;
  NumberStyle style = NumberStyle::kPlain;
  bool from_zero = false;  // the axis starts at zero
  bool smooth = false;     // noisy: drawn as a running mean over faint raw values
  bool is_loss = false;
};

// Of a run's losses, by the task of its options: "nats per token"; empty when it is unknown.
std::string_view loss_unit(const ReportRun& run);

// Every chart the report knows, in the order of the page.
std::span<const ChartSpec> chart_specs();

struct Series {
  std::vector<double> steps;
  std::vector<double> values;  // NaN makes a gap
};

// At most about `limit` points: the smallest and largest of each bucket, ends included.
Series chart_series(const ReportRun& run, const ChartSpec& spec, std::size_t limit);

// Mean of each value's surroundings with weights weight^|distance|, so that the line does not
// lag behind the values; NaN stays NaN and has no weight.
std::vector<double> smoothed(const std::vector<double>& values, double weight);

// One chart with the series of all runs; `series` is parallel to the runs.
struct Chart {
  const ChartSpec* spec = nullptr;
  std::vector<Series> series;
  std::string unit = {};  // runs that learn other things: "nats per token or squared error"
};

// Only charts with something to draw.
std::vector<Chart> make_charts(const std::vector<ReportRun>& runs);

// Smoothing weight that a page with these charts starts with; 0 for short runs.
double default_smoothing(const std::vector<Chart>& charts);

// {"smoothing": 0.9, "runs": [...], "charts": [...]} for the script.
Json chart_data(const std::vector<Chart>& charts, const std::vector<ReportRun>& runs);

struct StepRange {
  double first = 0, last = 1;
};

// From the first to the last step of all charts, which share their x axis.
StepRange step_range(const std::vector<Chart>& charts);

// <svg> element; the classes run-0, run-1 ... carry the colours.
std::string chart_svg(const Chart& chart, double smoothing, const StepRange& steps);

// Round numbers from about `low` to `high`, 3 to about `count` of them.
std::vector<double> nice_ticks(double low, double high, int count);
// The same on a binary unit for bytes: multiples of 1 GiB, not of 10^9 bytes.
std::vector<double> axis_ticks(double low, double high, int count, NumberStyle style);

}  // namespace svtune
