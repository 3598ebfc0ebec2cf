// What a report shows: runs with their metrics, facts and layers, and sample answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "report/metrics_log.h"

namespace svtune {

// One adapted weight matrix.
struct ReportLayer {
  std::string name;                       // as in the checkpoint, "model.layers.0.self_attn.q_proj"
  std::string shape;                      // "576 x 576"
  std::string adapter;                    // "PiSSA, rank 16"
  std::int64_t parameters = 0;            // of the base weight
  std::int64_t trainable_parameters = 0;  // of the adapter
};

// A line of the summary, such as {"Method", "PiSSA"} or {"Exact match", "62.5 %"}.
struct ReportFact {
  std::string label;
  std::string value;
};

struct ReportRun {
  std::string name;
  std::vector<MetricPoint> points;
  std::vector<ReportFact> facts;
  std::vector<ReportLayer> layers;
  std::int64_t model_parameters = 0;  // 0 when unknown
  Json config = Json::object();       // resolved options, flat
};

struct ReportAnswer {
  std::string label;  // "before", "PiSSA"
  std::string text;
  std::optional<bool> correct;
};

struct ReportSample {
  std::string prompt;
  std::string reference;  // may be empty
  std::vector<ReportAnswer> answers;
};

struct ReportInput {
  std::string title;
  std::string subtitle;  // model and data, one line
  std::vector<ReportRun> runs;
  std::vector<ReportSample> samples;
  std::string footer;  // "svtune 0.1.0"
};

}  // namespace svtune
