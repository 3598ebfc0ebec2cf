// metrics.jsonl: what was measured, one JSON object a line and step, for people, scripts and
// the report. An absent key means that the value was not measured at that step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

struct MetricPoint {
  std::int64_t step = 0;                // optimiser steps done
  std::optional<double> loss;           // of the task, before the update; see loss_unit()
  std::optional<double> eval_loss;      // the same on held-out data
  std::optional<double> eval_accuracy;  // 0 to 1
  std::optional<double> eval_f1;        // 0 to 1
  std::optional<double> eval_matthews;  // correlations, -1 to 1
  std::optional<double> eval_pearson;
  std::optional<double> eval_spearman;
  std::optional<double> grad_norm;          // before clipping
  std::optional<double> learning_rate;      // of the step
  std::optional<double> tokens_per_second;  // trained tokens
  std::optional<double> memory;             // bytes resident
  std::optional<double> seconds;            // since the start, summed over resumed parts
  std::optional<double> tokens;             // trained so far
  std::optional<double> epoch;              // passes over the data
};

struct MetricField {
  std::string_view key;
  std::optional<double> MetricPoint::* member;
};

// The keys of a line beside "step", in the order in which they are written.
std::span<const MetricField> metric_fields();

struct MetricsFile {
  std::vector<MetricPoint> points;  // ascending steps, one point a step
  std::int64_t skipped_lines = 0;   // torn or no object with a step
};

// "4 to 6, 9": the steps from 1 to `through` that have no line; "" where each has one.
std::string missing_steps(const MetricsFile& file, std::int64_t through);

// Lines of the same step are merged, the later value wins. A missing file has no points.
// Throws FileError when the file cannot be read.
MetricsFile read_metrics(const std::filesystem::path& path);

// Appends a line per call and hands it to the system at once, so that a killed run keeps
// what it measured. Numbers that are not finite are written as null.
class MetricsLog {
 public:
  // Keeps the lines of an existing file up to `keep_through` (the step of the checkpoint that
  // a run resumes from) and drops the rest; without it the file starts empty.
  explicit MetricsLog(std::filesystem::path path,
                      std::optional<std::int64_t> keep_through = std::nullopt);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // Throws FileError naming the path when the line cannot be written.
  void append(const MetricPoint& point);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace svtune
