// What a quantised model lost and weighs, summed up over its layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quantized_base/quantize_model.h"

namespace svtune {

// By how much the errors lie below those of plain rounding, as shares: 1 - error / plain error.
struct ErrorReduction {
  std::string kind;         // "q_proj": the last part of the layers' names
  std::int64_t layers = 0;  // of that kind
  double frobenius = 0, nuclear = 0;
};

// The mean over the layers of each kind, in the model's order. 0 for what was not measured.
std::vector<ErrorReduction> error_reductions(const QuantizeReport& report);

// The mean over kinds, under the name "average".
ErrorReduction average_of(const std::vector<ErrorReduction>& kinds);

// Codes, scales and the factors in fp32, per weight of the quantised layers.
double bits_per_weight(const QuantizeReport& report);

}  // namespace svtune
