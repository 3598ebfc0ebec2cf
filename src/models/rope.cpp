#include "models/rope.h"

#include <algorithm>
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

// YaRN: as Llama 3's, but the blend is linear in the index between the two that make beta_fast
// and beta_slow turns within the original length.
class YarnScale {
 public:
  explicit YarnScale(const RopeSpec& spec) : factor_(spec.factor) {
    const auto width = static_cast<double>(spec.width);
    const auto index_of = [&](double turns) {
      return width * std::log(spec.original_max_positions / (turns * kTwoPi)) /
             (2 * std::log(spec.theta));
    };
    double low = index_of(spec.beta_fast), high = index_of(spec.beta_slow);
    if (spec.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low_ = std::max(low, 0.0);
    high_ = std::min(high, width - 1);
    if (low_ == high_) high_ += 0.001;
  }

  double operator()(double frequency, double index) const {
    const double stretched = std::clamp((index - low_) / (high_ - low_), 0.0, 1.0);
    return frequency / factor_ * stretched + frequency * (1.0 - stretched);
  }

 private:
  double factor_, low_ = 0, high_ = 0;
};

// The base that a dynamic rotation uses for a document longer than the original length.
double dynamic_theta(const RopeSpec& spec, std::int64_t length) {
  const double seen = std::max(static_cast<double>(length), spec.original_max_positions);
  const auto width = static_cast<double>(spec.width);
  return spec.theta * std::pow(spec.factor * seen / spec.original_max_positions - (spec.factor - 1),
                               width / (width - 2));
}

bool depends_on_length(const RopeSpec& spec) {
  return spec.type == RopeType::kDynamic || spec.type == RopeType::kLongrope;
}

at::Tensor angles_of(const RopeSpec& spec, const at::Tensor& positions, std::int64_t length) {
  const at::Tensor frequencies = rope_frequencies(spec, length).to(positions.device());
  return at::outer(positions.to(at::kFloat), frequencies);
}

at::Tensor angles_by_document(const RopeSpec& spec, const at::Tensor& positions,
                              const std::vector<std::int32_t>& offsets) {
  std::vector<at::Tensor> documents;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::int64_t begin = offsets[s], count = offsets[s + 1] - begin;
    if (count == 0) continue;
    const std::int64_t length = positions[begin + count - 1].item<std::int64_t>() + 1;
    documents.push_back(angles_of(spec, positions.narrow(0, begin, count), length));
  }
  return at::cat(documents, 0);
}

}  // namespace

at::Tensor rope_frequencies(const RopeSpec& spec, std::int64_t length) {
  const double theta = spec.type == RopeType::kDynamic ? dynamic_theta(spec, length) : spec.theta;
  const bool is_long = static_cast<double>(length) > spec.original_max_positions;
  const std::vector<double>& stretch = is_long ? spec.long_factors : spec.short_factors;
  const YarnScale yarn(spec);
  std::vector<float> values;
  for (std::int64_t i = 0; i < spec.width / 2; ++i) {
    double f = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(spec.width));
    if (spec.type == RopeType::kLinear) f /= spec.factor;
    if (spec.type == RopeType::kLlama3) f = scale_llama3(f, spec);
    if (spec.type == RopeType::kYarn) f = yarn(f, static_cast<double>(i));
    if (spec.type == RopeType::kLongrope) f /= stretch[static_cast<std::size_t>(i)];
    values.push_back(static_cast<float>(f));
  }
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat));
}

RopeTables rope_tables(const RopeSpec& spec, const at::Tensor& positions,
                       const std::vector<std::int32_t>& offsets) {
  const at::Tensor angles = depends_on_length(spec) ? angles_by_document(spec, positions, offsets)
                                                    : angles_of(spec, positions, 0);
  if (spec.attention_factor == 1.0) return {at::cos(angles), at::sin(angles)};
  return {at::cos(angles) * spec.attention_factor, at::sin(angles) * spec.attention_factor};
}

}  // namespace svtune
