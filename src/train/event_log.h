// The TensorBoard events of a run, written from the same points as metrics.jsonl.
#pragma once

#include <filesystem>
#include <vector>

#include "formats/tfevents.h"
#include "report/metrics_log.h"

namespace svtune {

class EventLog {
 public:
  // Replaces the event files of `directory` by one that starts with the points of an earlier
  // part of the run, so that curves have no loose ends after a resume. Throws FileError.
  EventLog(const std::filesystem::path& directory, const std::vector<MetricPoint>& earlier);

  void append(const MetricPoint& point);

 private:
  void write(const MetricPoint& point, double wall_time);

  EventWriter writer_;
};

}  // namespace svtune
