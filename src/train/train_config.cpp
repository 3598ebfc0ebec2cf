#include "train/train_config.h"

#include <algorithm>

namespace svtune {

RecomputePlan ActivationOptions::plan() const {
  if (recompute_blocks) return {*recompute_blocks};
  return recompute == Recompute::kFull ? RecomputePlan::all() : RecomputePlan{};
}

std::int64_t total_steps(const TrainConfig& config, std::int64_t batches) {
  if (config.max_steps) return *config.max_steps;
  const std::int64_t a_step = config.batch.gradient_accumulation;
  return std::max<std::int64_t>(1, (batches + a_step - 1) / a_step);
}

}  // namespace svtune
