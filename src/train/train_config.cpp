#include "train/train_config.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/errors.h"

namespace svtune {

DropoutRates chosen_dropout(const std::string& asked, const DropoutRates& own) {
  if (asked == "config") return own;
  if (asked == "off") return with_rate(own, 0);
  double rate = -1;
  const char* end = asked.data() + asked.size();
  const auto [last, error] = std::from_chars(asked.data(), end, rate);
  if (error != std::errc() || last != end || !(rate >= 0 && rate < 1)) {
    throw UsageError("--model-dropout: got \"" + asked +
                     "\", allowed are config, off and numbers of at least 0 and below 1");
  }
  return with_rate(own, rate);
}

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
