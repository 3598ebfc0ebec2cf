#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/errors.h"

namespace svtune {
namespace {

std::int64_t warmup_of(const ScheduleConfig& config, std::int64_t total_steps) {
  if (!config.warmup_steps) {
    const double share = config.warmup_ratio * static_cast<double>(total_steps);
    return std::min(static_cast<std::int64_t>(std::ceil(share)), total_steps - 1);
  }
  if (*config.warmup_steps >= total_steps) {
    throw UsageError("--warmup-steps " + std::to_string(*config.warmup_steps) +
                         " leaves none of the run's " + std::to_string(total_steps) +
                         " steps at the peak learning rate",
                     "Lower it, or train longer (--epochs, --max-steps).");
  }
  return *config.warmup_steps;
}

}  // namespace

Schedule::Schedule(const ScheduleConfig& config, std::int64_t total_steps)
    : peak_(config.learning_rate),
      shape_(config.shape),
      warmup_(warmup_of(config, total_steps)),
      total_(total_steps) {}

double Schedule::rate(std::int64_t done) const {
  if (done < warmup_) {
    return peak_ * (static_cast<double>(done + 1) / static_cast<double>(warmup_ + 1));
  }
  if (shape_ == ScheduleShape::kConstant) return peak_;
  const auto decay_steps = static_cast<double>(std::max<std::int64_t>(1, total_ - warmup_));
  if (shape_ == ScheduleShape::kLinear) {
    return peak_ * std::max(0.0, static_cast<double>(total_ - done) / decay_steps);
  }
  const double progress = static_cast<double>(done - warmup_) / decay_steps;
  return peak_ * std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

}  // namespace svtune
