#include "train/event_log.h"

#include <chrono>
#include <string>
#include <system_error>
#include <vector>

namespace svtune {
namespace {

namespace fs = std::filesystem;

// Seconds since 1970.
double wall_clock() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

// A resumed run writes its events anew.
fs::path without_event_files(fs::path directory) {
  std::vector<fs::path> old;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with("events.out.tfevents.")) {
      old.push_back(it->path());
    }
  }
  for (const fs::path& path : old) fs::remove(path, error);
  return directory;
}

std::string tag_of(std::string_view key) {
  const bool of_eval = key.starts_with("eval_");
  return of_eval ? "eval/" + std::string(key.substr(5)) : "train/" + std::string(key);
}

}  // namespace

EventLog::EventLog(const fs::path& directory, const std::vector<MetricPoint>& earlier)
    : writer_(without_event_files(directory), wall_clock()) {
  if (earlier.empty()) return;
  const double start = wall_clock() - earlier.back().seconds.value_or(0);
  for (const MetricPoint& point : earlier) write(point, start + point.seconds.value_or(0));
  writer_.flush();
}

void EventLog::append(const MetricPoint& point) {
  write(point, wall_clock());
  writer_.flush();
}

void EventLog::write(const MetricPoint& point, double wall_time) {
  for (const MetricField& field : metric_fields()) {
    const std::optional<double>& value = point.*field.member;
    if (!value) continue;
    writer_.add_scalar(tag_of(field.key), static_cast<float>(*value), point.step, wall_time);
  }
}

}  // namespace svtune
