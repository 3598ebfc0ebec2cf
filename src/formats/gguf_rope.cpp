#include "formats/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

namespace svtune {
namespace {

constexpr double kTolerance = 1e-3;

struct Llama3Rope {
  double factor = 1, low = 1, high = 4;
  double original = 8192;  // context in tokens
};

double wavelength(std::size_t i, std::size_t pairs, double theta) {
  return 2 * std::numbers::pi *
         std::pow(theta, static_cast<double>(i) / static_cast<double>(pairs));
}

double divisor(const Llama3Rope& rope, double length) {
  if (length < rope.original / rope.high) return 1;
  if (length > rope.original / rope.low) return rope.factor;
  const double smooth = (rope.original / length - rope.low) / (rope.high - rope.low);
  return 1 / ((1 - smooth) / rope.factor + smooth);
}

bool is_near(double value, double expected) {
  return std::abs(value - expected) <= kTolerance * expected;
}

// A point between the two ends: there s is linear in 1/λ.
struct BlendPoint {
  double inverse_length, smooth;
};

std::vector<BlendPoint> blend_points(std::span<const float> divisors, double theta, double factor) {
  std::vector<BlendPoint> points;
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    const double value = divisors[i];
    if (is_near(value, 1) || is_near(value, factor)) continue;
    points.push_back(
        {1 / wavelength(i, divisors.size(), theta), (1 / value - 1 / factor) / (1 - 1 / factor)});
  }
  return points;
}

// Where no divisor lies between the ends, any context that tells them apart is right: one in the
// middle, a power of two where it is far from both.
double context_between(std::span<const float> divisors, double theta, const Llama3Rope& rope) {
  double shorter = 1, longer = 0;  // λ of the last 1 and of the first `factor`
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    const double length = wavelength(i, divisors.size(), theta);
    if (is_near(divisors[i], 1)) shorter = length;
    if (longer == 0 && is_near(divisors[i], rope.factor)) longer = length;
  }
  const double least = shorter * rope.high, most = longer * rope.low;
  const double middle = std::sqrt(least * most);
  const double power = std::exp2(std::round(std::log2(middle)));
  return power > least && power < most ? power : std::round(middle);
}

bool gives(const Llama3Rope& rope, std::span<const float> divisors, double theta) {
  const bool sensible = rope.factor >= 1 && rope.high > rope.low && rope.low > 0 &&
                        rope.original >= 1 && rope.original <= 0x1p40;
  for (std::size_t i = 0; i < divisors.size() && sensible; ++i) {
    const double expected = divisor(rope, wavelength(i, divisors.size(), theta));
    if (!is_near(divisors[i], expected)) return false;
  }
  return sensible;
}

// With no point or one between the ends many pairs of context and high factor are right; the nearer
// the high factor is to the low one, the narrower the band between the ends.
Llama3Rope fitted_to_few(std::span<const float> divisors, double theta, Llama3Rope rope,
                         const std::vector<BlendPoint>& points) {
  for (const double high : {4.0, 2.0, 1.5, 1.25, 1.1, 1.05, 1.01}) {
    rope.high = high;
    rope.original = points.empty() ? context_between(divisors, theta, rope)
                                   : std::round((points[0].smooth * (high - rope.low) + rope.low) /
                                                points[0].inverse_length);
    if (gives(rope, divisors, theta)) break;
  }
  return rope;
}

// The parameters with low 1 that the points between the ends ask for.
Llama3Rope fitted(std::span<const float> divisors, double theta, double factor) {
  const std::vector<BlendPoint> points = blend_points(divisors, theta, factor);
  Llama3Rope rope{.factor = factor};
  if (points.size() < 2) return fitted_to_few(divisors, theta, rope, points);
  const BlendPoint& first = points.front();
  const BlendPoint& last = points.back();
  // s = slope/λ - offset with slope = original / (high - 1), offset = 1 / (high - 1).
  const double slope = (first.smooth - last.smooth) / (first.inverse_length - last.inverse_length);
  const double offset = slope * first.inverse_length - first.smooth;
  rope.high = 1 + std::round(1e4 / offset) / 1e4;
  rope.original = std::round(slope / offset);
  return rope;
}

}  // namespace

std::optional<Json> llama3_scaling(std::span<const float> divisors, double theta) {
  if (divisors.empty()) return std::nullopt;
  const double factor = *std::max_element(divisors.begin(), divisors.end());
  Llama3Rope rope{.factor = factor};
  if (!gives(rope, divisors, theta)) rope = fitted(divisors, theta, factor);
  if (!gives(rope, divisors, theta)) return std::nullopt;
  return Json{{"rope_type", "llama3"},
              {"factor", rope.factor},
              {"low_freq_factor", rope.low},
              {"high_freq_factor", rope.high},
              {"original_max_position_embeddings", static_cast<std::int64_t>(rope.original)}};
}

}  // namespace svtune
