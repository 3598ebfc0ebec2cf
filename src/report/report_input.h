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

// How classes of held-out documents were taken for others.
struct ReportConfusion {
  struct Cell {
    std::int64_t wanted = 0, predicted = 0;  // classes
    std::int64_t count = 0;                  // documents
  };
  std::vector<std::string> labels;
  std::vector<Cell> cells;  // those that are not 0; of many classes the most frequent mistakes
};

// A held-out document with the class that the model gave it.
struct ReportPrediction {
  std::string name;   // "cat/007.png", "dev.tsv:12"
  std::string text;   // its beginning; empty for images
  std::string image;  // of an image a small picture as a data: URI
  std::string label, predicted;
  double probability = 0;  // of the predicted class

  bool correct() const { return label == predicted; }
};

// Answers that were compared with what is right.
struct ReportScore {
  std::int64_t right = 0, asked = 0;  // answers; asked is above 0
};

struct ReportRun {
  std::string name;
  std::vector<MetricPoint> points;
  std::vector<ReportFact> facts;
  std::vector<ReportLayer> layers;
  std::int64_t model_parameters = 0;             // 0 when unknown
  Json config = Json::object();                  // resolved options, flat
  std::optional<std::int64_t> saved_bytes = {};  // of the adapter's or the model's files
  std::optional<ReportScore> exact_match = {};
  std::optional<ReportConfusion> confusion = {};
  std::vector<ReportPrediction> predictions = {};  // a choice of them, wrong ones first
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
