// Rank and scaling that the keys of PEFT's LoRA give a module or parameter.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "base/json.h"

namespace svtune {

inline constexpr char kTargetParameters[] = "target_parameters";

struct FactorSize {
  std::int64_t rank = 0;
  double alpha = 0;
  bool rslora = false;

  double scaling() const { return alpha / divisor(static_cast<double>(rank)); }
  // With the same scaling.
  FactorSize with_rank(std::int64_t other) const {
    const double ratio = static_cast<double>(other) / static_cast<double>(rank);
    return {other, alpha * divisor(ratio), rslora};
  }

 private:
  double divisor(double r) const { return rslora ? std::sqrt(r) : r; }
};

// By the keys of peft_type LORA, which have been checked.
FactorSize factor_size(const Json& keys, const std::string& name);

// Whether two alphas or scalings differ by rounding alone.
bool nearly_equal(double a, double b);

}  // namespace svtune
