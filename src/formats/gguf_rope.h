// The rotary factors of Llama 3 in GGUF files: the tensor rope_freqs.weight holds the divisor of
// every frequency, config.json the parameters they were made from.
#pragma once

#include <optional>
#include <span>

#include "base/json.h"

namespace svtune {

// "rope_scaling" of type llama3 that gives these divisors, one per pair of a head's rotated part,
// to 1e-3; nothing when none does. Divisors leave one parameter free (only the original context
// over the low and over the high factor shows), so the published models' are preferred: low 1,
// high 4, original context 8192; then low 1.
//
// Source: Llama 3.1; with wavelength λ = 2π·θ^(i/pairs), original context c, low l and high h the
// divisor is 1 for λ < c/h, `factor` for λ > c/l, and 1 / ((1 - s)/factor + s) with
// s = (c/λ - l) / (h - l) in between.
std::optional<Json> llama3_scaling(std::span<const float> divisors, double theta);

}  // namespace svtune
