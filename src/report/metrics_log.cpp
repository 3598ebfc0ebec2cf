#include "report/metrics_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr MetricField kFields[] = {
    {"loss", &MetricPoint::loss},
    {"eval_loss", &MetricPoint::eval_loss},
    {"eval_accuracy", &MetricPoint::eval_accuracy},
    {"eval_f1", &MetricPoint::eval_f1},
    {"eval_matthews", &MetricPoint::eval_matthews},
    {"eval_pearson", &MetricPoint::eval_pearson},
    {"eval_spearman", &MetricPoint::eval_spearman},
    {"grad_norm", &MetricPoint::grad_norm},
    {"learning_rate", &MetricPoint::learning_rate},
    {"tokens_per_second", &MetricPoint::tokens_per_second},
    {"memory", &MetricPoint::memory},
    {"seconds", &MetricPoint::seconds},
    {"tokens", &MetricPoint::tokens},
    {"epoch", &MetricPoint::epoch},
};
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 32;  // bytes

std::string line_of(const MetricPoint& point) {
  Json line = {{"step", point.step}};
  for (const MetricField& field : kFields) {
    const std::optional<double>& value = point.*field.member;
    if (!value) continue;
    line[std::string(field.key)] = std::isfinite(*value) ? Json(*value) : Json(nullptr);
  }
  return dump_json(line) + "\n";
}

std::optional<MetricPoint> point_of(std::string_view line, const std::string& source) {
  MetricPoint point;
  try {
    const Json json = parse_json(line, source);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) {
      return std::nullopt;
    }
    point.step = json["step"].get<std::int64_t>();
    for (const MetricField& field : kFields) {
      const auto it = json.find(field.key);
      if (it == json.end()) continue;
      // null stands for a number that was not finite.
      if (it->is_null()) point.*field.member = std::numeric_limits<double>::quiet_NaN();
      if (it->is_number()) point.*field.member = it->get<double>();
    }
  } catch (const FileError&) {
    return std::nullopt;
  }
  return point;
}

void merge(MetricPoint& into, const MetricPoint& from) {
  for (const MetricField& field : kFields) {
    if (from.*field.member) into.*field.member = from.*field.member;
  }
}

}  // namespace

std::span<const MetricField> metric_fields() { return kFields; }

MetricsFile read_metrics(const std::filesystem::path& path) {
  MetricsFile file;
  if (!std::filesystem::exists(path)) return file;
  const std::string text = read_file(path, kLargestFile);
  std::map<std::int64_t, MetricPoint> by_step;
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) continue;
    const std::optional<MetricPoint> point = point_of(line, path.string());
    if (!point) {
      ++file.skipped_lines;
      continue;
    }
    const auto [it, added] = by_step.try_emplace(point->step, *point);
    if (!added) merge(it->second, *point);
  }
  for (const auto& [step, point] : by_step) file.points.push_back(point);
  return file;
}

std::string missing_steps(const MetricsFile& file, std::int64_t through) {
  std::vector<std::string> gaps;
  std::int64_t next = 1;  // the first step that may be missing
  const auto reach = [&](std::int64_t step) {
    if (step > next) {
      const std::string last = step - 1 > next ? " to " + std::to_string(step - 1) : "";
      gaps.push_back(std::to_string(next) + last);
    }
    next = std::max(next, step + 1);
  };
  for (const MetricPoint& point : file.points) reach(std::min(point.step, through + 1));
  reach(through + 1);
  return join_some(gaps, ", ");
}

MetricsLog::MetricsLog(std::filesystem::path path, std::optional<std::int64_t> keep_through)
    : path_(std::move(path)) {
  std::string kept;
  if (keep_through) {
    for (const MetricPoint& point : read_metrics(path_).points) {
      if (point.step <= *keep_through) kept += line_of(point);
    }
  }
  write_file_atomic(path_, kept);
  fd_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0) {
    const int error = errno;
    throw FileError(path_.string(), std::string("cannot open: ") + std::strerror(error),
                    hint_of_errno(error));
  }
}

MetricsLog::~MetricsLog() {
  if (fd_ >= 0) close(fd_);
}

void MetricsLog::append(const MetricPoint& point) {
  const std::string line = line_of(point);
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      throw FileError(path_.string(), std::string("cannot write: ") + std::strerror(errno),
                      "free space on that disk and go on with --resume");
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace svtune
