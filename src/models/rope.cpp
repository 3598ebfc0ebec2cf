#include "models/rope.h"

#include <cmath>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr double kTwoPi = 6.283185307179586;

// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, with a linear
// blend between the two borders.
double scale_llama3(double frequency, const RopeSpec& spec) {
  const double wavelength = kTwoPi / frequency;
  const double turns = spec.original_max_positions / wavelength;
  if (turns > spec.high_freq_factor) return frequency;
  if (turns < spec.low_freq_factor) return frequency / spec.factor;
  const double blend =
      (turns - spec.low_freq_factor) / (spec.high_freq_factor - spec.low_freq_factor);
  return (1.0 - blend) * frequency / spec.factor + blend * frequency;
}

}  // namespace

at::Tensor rope_frequencies(const RopeSpec& spec) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < spec.width / 2; ++i) {
    double f = std::pow(spec.theta, -2.0 * static_cast<double>(i) / static_cast<double>(spec.width));
    if (spec.type == RopeType::kLinear) f /= spec.factor;
    if (spec.type == RopeType::kLlama3) f = scale_llama3(f, spec);
    values.push_back(static_cast<float>(f));
  }
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat));
}

RopeTables rope_tables(const RopeSpec& spec, const at::Tensor& positions) {
  const at::Tensor frequencies = rope_frequencies(spec).to(positions.device());
  const at::Tensor angles = at::outer(positions.to(at::kFloat), frequencies);
  return {at::cos(angles), at::sin(angles)};
}

}  // namespace svtune
