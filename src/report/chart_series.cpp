// Which charts there are, and their numbers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/text_util.h"
#include "report/charts.h"

namespace svtune {
namespace {

constexpr std::size_t kMostPoints = 2000;  // per series: what a wide screen can show

constexpr ChartSpec kCharts[] = {
    {.id = "loss",
     .title = "Training loss",
     .unit = "",
     .member = &MetricPoint::loss,
     .smooth = true,
     .is_loss = true},
    {.id = "grad_norm",
     .title = "Gradient norm",
     .unit = "before clipping",
     .member = &MetricPoint::grad_norm,
     .smooth = true},
    {.id = "eval_loss",
     .title = "Evaluation loss",
     .unit = "",
     .member = &MetricPoint::eval_loss,
     .is_loss = true},
    {.id = "eval_accuracy",
     .title = "Evaluation accuracy",
     .unit = "share of right classes",
     .member = &MetricPoint::eval_accuracy,
     .style = NumberStyle::kPercent,
     .from_zero = true},
    {.id = "learning_rate",
     .title = "Learning rate",
     .unit = "",
     .member = &MetricPoint::learning_rate,
     .style = NumberStyle::kScientific,
     .from_zero = true},
    {.id = "tokens_per_second",
     .title = "Speed",
     .unit = "tokens per second",
     .member = &MetricPoint::tokens_per_second,
     .style = NumberStyle::kRate,
     .from_zero = true,
     .smooth = true},
    {.id = "memory",
     .title = "Memory",
     .unit = "resident",
     .member = &MetricPoint::memory,
     .style = NumberStyle::kBytes,
     .from_zero = true},
};

constexpr std::pair<std::string_view, std::string_view> kLossUnits[] = {
    {"language", "nats per token"}, {"classify", "nats per document"}, {"regress", "squared error"},
    {"tag", "nats per word"},       {"mask", "nats per hidden token"},
};

// Of the runs that have such values, each unit once.
std::string unit_of(const Chart& chart, const std::vector<ReportRun>& runs) {
  if (!chart.spec->is_loss) return std::string(chart.spec->unit);
  std::vector<std::string> units;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string unit(loss_unit(runs[i]));
    const bool shown = std::find(units.begin(), units.end(), unit) != units.end();
    if (!chart.series[i].values.empty() && !unit.empty() && !shown) units.push_back(unit);
  }
  return join(units, " or ");
}

// Indices of the extremes of each bucket, in order.
std::vector<std::size_t> extreme_indices(const std::vector<double>& values, std::size_t limit) {
  const std::size_t buckets = std::max<std::size_t>(1, limit / 2);
  std::vector<std::size_t> kept = {0};
  for (std::size_t b = 0; b < buckets; ++b) {
    const std::size_t begin = values.size() * b / buckets;
    const std::size_t end = values.size() * (b + 1) / buckets;
    std::size_t low = begin;
    std::size_t high = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (values[i] < values[low] || std::isnan(values[low])) low = i;
      if (values[i] > values[high] || std::isnan(values[high])) high = i;
    }
    kept.insert(kept.end(), {std::min(low, high), std::max(low, high)});
  }
  kept.push_back(values.size() - 1);
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return kept;
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json numbers(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double value : values) {
    const bool whole = std::abs(value) < 1e15 && std::floor(value) == value;
    out.push_back(whole ? Json(static_cast<std::int64_t>(value)) : number_or_null(value));
  }
  return out;
}

// Elapsed seconds or tokens by step, for the other scales of the horizontal axis.
Json scale_json(const ReportRun& run, std::optional<double> MetricPoint::* member) {
  const ChartSpec spec{.id = "", .title = "", .unit = "", .member = member};
  const Series series = chart_series(run, spec, kMostPoints / 4);
  if (series.steps.size() < 2) return nullptr;
  return {{"x", numbers(series.steps)}, {"y", numbers(series.values)}};
}

}  // namespace

std::span<const ChartSpec> chart_specs() { return kCharts; }

std::string_view loss_unit(const ReportRun& run) {
  std::string task = "language";  // all that runs learned before there was the option
  if (const auto it = run.config.find("task"); it != run.config.end()) {
    task = it->is_string() ? it->get<std::string>() : "";
  }
  for (const auto& [name, unit] : kLossUnits) {
    if (name == task) return unit;
  }
  return "";
}

Series chart_series(const ReportRun& run, const ChartSpec& spec, std::size_t limit) {
  Series all;
  for (const MetricPoint& point : run.points) {
    const std::optional<double>& value = point.*spec.member;
    if (!value) continue;
    all.steps.push_back(static_cast<double>(point.step));
    all.values.push_back(std::isfinite(*value) ? *value : std::numeric_limits<double>::quiet_NaN());
  }
  if (all.steps.size() <= limit) return all;
  Series thin;
  for (const std::size_t i : extreme_indices(all.values, limit)) {
    thin.steps.push_back(all.steps[i]);
    thin.values.push_back(all.values[i]);
  }
  return thin;
}

std::vector<double> smoothed(const std::vector<double>& values, double weight) {
  std::vector<double> sums(values.size());
  std::vector<double> weights(values.size());
  const auto sweep = [&](std::size_t i, double& sum, double& total) {
    // What came before this value in the direction of the sweep, without the value itself.
    sums[i] += sum;
    weights[i] += total;
    const bool present = std::isfinite(values[i]);
    sum = weight * (sum + (present ? values[i] : 0));
    total = weight * (total + (present ? 1 : 0));
  };
  double sum = 0;
  double total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sweep(i, sum, total);
  sum = total = 0;
  for (std::size_t i = values.size(); i-- > 0;) sweep(i, sum, total);
  std::vector<double> out = values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) out[i] = (sums[i] + values[i]) / (weights[i] + 1);
  }
  return out;
}

std::vector<Chart> make_charts(const std::vector<ReportRun>& runs) {
  std::vector<Chart> charts;
  for (const ChartSpec& spec : kCharts) {
    Chart chart{.spec = &spec, .series = {}};
    std::size_t drawable = 0;
    for (const ReportRun& run : runs) {
      chart.series.push_back(chart_series(run, spec, kMostPoints));
      const std::vector<double>& values = chart.series.back().values;
      drawable += static_cast<std::size_t>(
          std::count_if(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
    }
    if (drawable == 0) continue;
    chart.unit = unit_of(chart, runs);
    charts.push_back(std::move(chart));
  }
  return charts;
}

double default_smoothing(const std::vector<Chart>& charts) {
  std::size_t longest = 0;
  for (const Chart& chart : charts) {
    if (!chart.spec->smooth) continue;
    for (const Series& series : chart.series) longest = std::max(longest, series.steps.size());
  }
  return longest < 40 ? 0.0 : longest < 150 ? 0.6 : longest < 600 ? 0.8 : 0.9;
}

Json chart_data(const std::vector<Chart>& charts, const std::vector<ReportRun>& runs) {
  Json data = {{"smoothing", default_smoothing(charts)}, {"runs", Json::array()}};
  for (const ReportRun& run : runs) {
    data["runs"].push_back({{"name", run.name},
                            {"seconds", scale_json(run, &MetricPoint::seconds)},
                            {"tokens", scale_json(run, &MetricPoint::tokens)}});
  }
  data["charts"] = Json::array();
  for (const Chart& chart : charts) {
    Json series = Json::array();
    for (const Series& one : chart.series) {
      series.push_back({{"x", numbers(one.steps)}, {"y", numbers(one.values)}});
    }
    data["charts"].push_back({{"id", chart.spec->id},
                              {"style", number_style_name(chart.spec->style)},
                              {"zero", chart.spec->from_zero},
                              {"smooth", chart.spec->smooth},
                              {"series", std::move(series)}});
  }
  return data;
}

}  // namespace svtune
