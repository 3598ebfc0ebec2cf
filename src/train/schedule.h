// Learning rate over the run: linear warm-up, then constant, linear or half-cosine decay to 0.
// Step k of w warm-up steps takes k / (w + 1) of the peak, so that the first step learns and the
// one after the warm-up has the whole peak; transformers' get_scheduler takes (k - 1) / w, which
// spends step 1 on nothing. After the warm-up the values are those of get_scheduler.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/fields.h"

namespace svtune {

enum class ScheduleShape { kCosine, kLinear, kConstant };
inline constexpr EnumName<ScheduleShape> kScheduleShapeNames[] = {
    {ScheduleShape::kCosine, "cosine", "half a cosine down to 0"},
    {ScheduleShape::kLinear, "linear", "straight down to 0"},
    {ScheduleShape::kConstant, "constant", "no decay"},
};
constexpr std::span<const EnumName<ScheduleShape>> enum_names(ScheduleShape) {
  return kScheduleShapeNames;
}

struct ScheduleConfig {
  double learning_rate = 2e-5;
  ScheduleShape shape = ScheduleShape::kCosine;
  double warmup_ratio = 0.03;
  std::optional<std::int64_t> warmup_steps;
  std::optional<double> head_learning_rate;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.learning_rate,
          {.name = "learning_rate", .help = "Peak learning rate", .min = 0, .max = 1000});
    visit(self.head_learning_rate,
          {.name = "head_learning_rate",
           .help = "Peak learning rate of the head of labels, where it is another one",
           .min = 0,
           .max = 1000,
           .when = only_with("task", "classify|regress|tag")});
    visit(self.shape, {.name = "schedule", .help = "Learning rate after the warm-up"});
    visit(self.warmup_ratio, {.name = "warmup_ratio",
                              .help = "Share of the steps in which the rate rises to its peak",
                              .min = 0,
                              .max = 1});
    visit(self.warmup_steps, {.name = "warmup_steps",
                              .help = "Length of the warm-up",
                              .unit = "steps",
                              .min = 0,
                              .instead_of = "warmup_ratio"});
  }
};

class Schedule {
 public:
  // `total_steps` >= 1 optimiser steps. The ratio's warm-up is rounded up to whole steps and
  // leaves one at least at the peak. Throws UsageError when warmup_steps leaves none.
  Schedule(const ScheduleConfig& config, std::int64_t total_steps);
  // Rate of the update that follows `done` finished updates.
  double rate(std::int64_t done) const;
  std::int64_t warmup_steps() const { return warmup_; }
  std::int64_t total_steps() const { return total_; }

 private:
  double peak_;
  ScheduleShape shape_;
  std::int64_t warmup_, total_;
};

}  // namespace svtune
