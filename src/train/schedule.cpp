#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace svtune {

Schedule::Schedule(const ScheduleConfig& config, std::int64_t total_steps)
    : peak_(config.learning_rate), shape_(config.shape), total_(total_steps) {
  const double share = config.warmup_ratio * static_cast<double>(total_steps);
  warmup_ = config.warmup_steps.value_or(static_cast<std::int64_t>(std::ceil(share)));
}

double Schedule::rate(std::int64_t done) const {
  if (done < warmup_) return peak_ * (static_cast<double>(done) / static_cast<double>(warmup_));
  if (shape_ == ScheduleShape::kConstant) return peak_;
  const auto decay_steps = static_cast<double>(std::max<std::int64_t>(1, total_ - warmup_));
  if (shape_ == ScheduleShape::kLinear) {
    return peak_ * std::max(0.0, static_cast<double>(total_ - done) / decay_steps);
  }
  const double progress = static_cast<double>(done - warmup_) / decay_steps;
  return peak_ * std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

}  // namespace svtune
