// Table of final figures, or tiles for a single run.
#include <algorithm>
#include <cmath>
#include <functional>

#include "base/number_text.h"
#include "base/text_util.h"
#include "report/charts.h"
#include "report/html.h"
#include "report/sections.h"

namespace svtune {
namespace {

using Member = std::optional<double> MetricPoint::*;

std::optional<double> last_of(const ReportRun& run, Member member) {
  for (auto it = run.points.rbegin(); it != run.points.rend(); ++it) {
    if ((*it).*member && std::isfinite(*((*it).*member))) return (*it).*member;
  }
  return std::nullopt;
}

std::optional<double> extreme_of(const ReportRun& run, Member member, bool largest) {
  std::optional<double> best;
  for (const MetricPoint& point : run.points) {
    const std::optional<double>& value = point.*member;
    if (!value || !std::isfinite(*value)) continue;
    if (!best || (largest ? *value > *best : *value < *best)) best = value;
  }
  return best;
}

// Single losses are noisy: the mean over the last tenth of the run, at most 50 steps.
std::optional<double> final_mean(const ReportRun& run, Member member) {
  std::vector<double> values;
  for (const MetricPoint& point : run.points) {
    const std::optional<double>& value = point.*member;
    if (value && std::isfinite(*value)) values.push_back(*value);
  }
  if (values.empty()) return std::nullopt;
  const std::size_t count = std::clamp<std::size_t>(values.size() / 10, 1, 50);
  double sum = 0;
  for (std::size_t i = values.size() - count; i < values.size(); ++i) sum += values[i];
  return sum / static_cast<double>(count);
}

std::optional<double> mean_speed(const ReportRun& run) {
  double sum = 0;
  std::int64_t count = 0;
  for (const MetricPoint& point : run.points) {
    const std::optional<double>& value = point.tokens_per_second;
    // The first step pays for warming up.
    if (!value || !std::isfinite(*value) ||
        (&point == &run.points.front() && run.points.size() > 1))
      continue;
    sum += *value;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

std::int64_t trainable_of(const ReportRun& run) {
  std::int64_t total = 0;
  for (const ReportLayer& layer : run.layers) total += layer.trainable_parameters;
  return total;
}

// "7:20" minutes and seconds, "1:02:03" with hours.
std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds)));
  const auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  const std::string tail = ":" + two(whole % 60);
  if (whole < 3600) return std::to_string(whole / 60) + tail;
  return std::to_string(whole / 3600) + ":" + two(whole / 60 % 60) + tail;
}

enum class Better { kNeither, kLower, kHigher };

struct Column {
  std::string title;
  std::vector<std::string> cells;
  std::vector<std::optional<double>> values;
  Better better = Better::kNeither;
};

Column numeric_column(const std::string& title, const std::vector<ReportRun>& runs, Better better,
                      const std::function<std::optional<double>(const ReportRun&)>& value,
                      const std::function<std::string(double)>& text) {
  Column column{title, {}, {}, better};
  for (const ReportRun& run : runs) {
    column.values.push_back(value(run));
    column.cells.push_back(column.values.back() ? text(*column.values.back()) : "");
  }
  return column;
}

// Index of the only best cell, if the column has an order and more than one value.
std::optional<std::size_t> best_cell(const Column& column) {
  if (column.better == Better::kNeither) return std::nullopt;
  std::optional<std::size_t> best;
  std::size_t present = 0;
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    if (!column.values[i]) continue;
    ++present;
    const bool better =
        best && (column.better == Better::kLower ? *column.values[i] < *column.values[*best]
                                                 : *column.values[i] > *column.values[*best]);
    if (!best || better) best = i;
  }
  if (present < 2) return std::nullopt;
  const auto ties = std::count(column.cells.begin(), column.cells.end(), column.cells[*best]);
  return ties == 1 ? best : std::nullopt;
}

std::vector<Column> fact_columns(const std::vector<ReportRun>& runs) {
  std::vector<Column> columns;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const ReportFact& fact : runs[i].facts) {
      auto it = std::find_if(columns.begin(), columns.end(),
                             [&](const Column& column) { return column.title == fact.label; });
      if (it == columns.end()) {
        it = columns.insert(columns.end(), {fact.label, std::vector<std::string>(runs.size()), {}});
      }
      it->cells[i] = fact.value;
    }
  }
  return columns;
}

Column trainable_column(const std::vector<ReportRun>& runs) {
  Column column{"Trainable", {}, {}};
  for (const ReportRun& run : runs) {
    const std::int64_t trainable = trainable_of(run);
    const std::string share = format_share(trainable, run.model_parameters);
    std::string text = format_short_count(static_cast<std::uint64_t>(trainable));
    if (!share.empty()) text += " (" + share + ")";
    column.cells.push_back(run.layers.empty() ? "" : text);
  }
  return column;
}

// Losses of runs that learn other things have no order.
Better better_loss(const std::vector<ReportRun>& runs) {
  const bool alike = std::all_of(runs.begin(), runs.end(), [&](const ReportRun& run) {
    return loss_unit(run) == loss_unit(runs.front());
  });
  return alike ? Better::kLower : Better::kNeither;
}

// "42.0 % (32.8 to 51.8)": with Wilson's interval of 95 % (JASA 22, 1927), which holds for few
// answers and for shares near 0 and 1 as well.
std::string score_text(const ReportScore& score) {
  const auto n = static_cast<double>(score.asked);
  const double share = static_cast<double>(score.right) / n;
  const double z = 1.959964, weight = z * z / n;
  const double middle = (share + weight / 2) / (1 + weight);
  const double half = z / (1 + weight) * std::sqrt(share * (1 - share) / n + weight / (4 * n));
  return percent(share) + " (" + fixed(100 * std::max(0.0, middle - half), 1) + " to " +
         fixed(100 * std::min(1.0, middle + half), 1) + ")";
}

Column score_column(const std::vector<ReportRun>& runs) {
  Column column{"Exact match", {}, {}, Better::kHigher};
  for (const ReportRun& run : runs) {
    const std::optional<ReportScore>& score = run.exact_match;
    column.cells.push_back(score ? score_text(*score) : "");
    column.values.emplace_back();
    if (score) {
      column.values.back() = static_cast<double>(score->right) / static_cast<double>(score->asked);
    }
  }
  return column;
}

std::vector<Column> figure_columns(const std::vector<ReportRun>& runs) {
  const auto plain = [](double v) { return format_quantity(v, NumberStyle::kPlain); };
  const auto rate = [](double v) { return format_quantity(v, NumberStyle::kRate); };
  const auto bytes = [](double v) { return format_quantity(v, NumberStyle::kBytes); };
  const auto percent = [](double v) { return format_quantity(v, NumberStyle::kPercent); };
  std::vector<Column> columns = fact_columns(runs);
  const auto add = [&](const char* title, Better better, auto value, auto text) {
    columns.push_back(numeric_column(title, runs, better, value, text));
  };
  add(
      "Steps", Better::kNeither,
      [](const ReportRun& run) -> std::optional<double> {
        if (run.points.empty()) return std::nullopt;
        return static_cast<double>(run.points.back().step);
      },
      rate);
  add(
      "Final loss", better_loss(runs),
      [](const ReportRun& run) { return final_mean(run, &MetricPoint::loss); }, plain);
  add(
      "Best eval loss", better_loss(runs),
      [](const ReportRun& run) { return extreme_of(run, &MetricPoint::eval_loss, false); }, plain);
  add(
      "Best accuracy", Better::kHigher,
      [](const ReportRun& run) { return extreme_of(run, &MetricPoint::eval_accuracy, true); },
      percent);
  columns.push_back(score_column(runs));
  add("Tokens/s", Better::kHigher, mean_speed, rate);
  add(
      "Peak memory", Better::kLower,
      [](const ReportRun& run) { return extreme_of(run, &MetricPoint::memory, true); }, bytes);
  add(
      "Time", Better::kLower,
      [](const ReportRun& run) { return last_of(run, &MetricPoint::seconds); }, duration);
  add(
      "On the disk", Better::kLower,
      [](const ReportRun& run) -> std::optional<double> {
        if (!run.saved_bytes) return std::nullopt;
        return static_cast<double>(*run.saved_bytes);
      },
      bytes);
  const bool given = std::any_of(columns.begin(), columns.end(),
                                 [](const Column& column) { return column.title == "Trainable"; });
  if (!given) columns.push_back(trainable_column(runs));
  std::erase_if(columns, [](const Column& column) {
    return std::all_of(column.cells.begin(), column.cells.end(),
                       [](const std::string& cell) { return cell.empty(); });
  });
  return columns;
}

std::string run_name_cell(const std::vector<ReportRun>& runs, std::size_t i) {
  return "<th scope=\"row\">" + swatch(i) + escape_html(runs[i].name) + "</th>";
}

// A fact that all runs share, or that is no figure for a tile, stands above the figures.
bool stands_above(const Column& column) {
  constexpr std::size_t kLongestTile = 20;  // characters
  const std::string& first = column.cells.front();
  const bool figure = !first.empty() && first[0] >= '0' && first[0] <= '9';
  if (column.cells.size() == 1) return first.size() > kLongestTile || !figure;
  return column.better == Better::kNeither && column.values.empty() &&
         std::all_of(column.cells.begin(), column.cells.end(),
                     [&](const std::string& cell) { return cell == first; });
}

// A text too long for a cell stands below the figures, run by run.
bool stands_below(const Column& column) {
  constexpr std::size_t kLongestCell = 24;  // characters
  return std::any_of(column.cells.begin(), column.cells.end(),
                     [](const std::string& cell) { return cell.size() > kLongestCell; });
}

std::string notes_list(const std::vector<ReportRun>& runs, const std::vector<Column>& columns) {
  std::string out;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const Column& column : columns) {
      if (column.cells[i].empty()) continue;
      out += "<div><dt>" + swatch(i) + escape_html(runs[i].name + ", " + column.title) +
             "</dt><dd>" + escape_html(column.cells[i]) + "</dd></div>";
    }
  }
  return out.empty() ? "" : "<dl class=\"facts notes\">" + out + "</dl>";
}

std::string facts_list(const std::vector<Column>& columns) {
  std::string out;
  for (const Column& column : columns) {
    out += "<div><dt>" + escape_html(column.title) + "</dt><dd>" + escape_html(column.cells[0]) +
           "</dd></div>";
  }
  return out.empty() ? "" : "<dl class=\"facts\">" + out + "</dl>";
}

std::string figure_tiles(const std::vector<Column>& columns) {
  std::string out = "<dl class=\"tiles\">";
  for (const Column& column : columns) {
    out += "<div><dt>" + escape_html(column.title) + "</dt><dd>" + escape_html(column.cells[0]) +
           "</dd></div>";
  }
  return out + "</dl>";
}

std::string figure_table(const std::vector<ReportRun>& runs, const std::vector<Column>& columns) {
  std::string out = "<div class=\"scroll\"><table class=\"figures\"><thead><tr><th>Run</th>";
  for (const Column& column : columns) out += "<th>" + escape_html(column.title) + "</th>";
  out += "</tr></thead><tbody>";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    out += "<tr>" + run_name_cell(runs, i);
    for (const Column& column : columns) {
      const bool best = best_cell(column) == i;
      out += std::string(best ? "<td class=\"best\">" : "<td>") +
             (column.cells[i].empty() ? "–" : escape_html(column.cells[i])) + "</td>";
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

}  // namespace

std::string figures_section(const std::vector<ReportRun>& runs) {
  std::vector<Column> columns = figure_columns(runs);
  if (runs.empty() || columns.empty()) return "";
  const auto split = std::stable_partition(columns.begin(), columns.end(), stands_above);
  const std::vector<Column> above(columns.begin(), split);
  columns.erase(columns.begin(), split);
  std::string body = facts_list(above);
  if (runs.size() == 1 && !columns.empty()) body += figure_tiles(columns);
  if (runs.size() > 1 && !columns.empty()) {
    const auto cut =
        std::stable_partition(columns.begin(), columns.end(), std::not_fn(stands_below));
    const std::vector<Column> below(cut, columns.end());
    columns.erase(cut, columns.end());
    body += figure_table(runs, columns) + notes_list(runs, below);
  }
  return "<section id=\"figures\"><h2>Final figures</h2>" + body + "</section>";
}

}  // namespace svtune
