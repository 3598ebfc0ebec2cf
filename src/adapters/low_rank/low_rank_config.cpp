#include "adapters/low_rank/low_rank_config.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "adapters/module_match.h"
#include "base/errors.h"
#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

template <class Draw>
at::Tensor random_factor(const LayerSite& site, std::int64_t rank, const Draw& draw) {
  const std::int64_t in = site.base.in_features();
  Xoshiro256 random(site.seed);
  std::vector<float> values(static_cast<std::size_t>(rank * in));
  for (float& value : values) value = static_cast<float>(draw(random));
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat))
      .view({rank, in})
      .to(factor_options(site.base));
}

}  // namespace

LowRankShape stored_low_rank_shape(const LowRankConfig& config, const LayerSite& site) {
  LowRankShape shape{};
  shape.rank = match_pattern(config.rank_pattern, site.name).value_or(config.rank);
  const double common = config.alpha.value_or(static_cast<double>(shape.rank));
  shape.alpha = match_pattern(config.alpha_pattern, site.name).value_or(common);
  const auto rank = static_cast<double>(shape.rank);
  shape.scaling = shape.alpha / (config.rslora ? std::sqrt(rank) : rank);
  return shape;
}

LowRankShape low_rank_shape(const LowRankConfig& config, const LayerSite& site) {
  const LowRankShape shape = stored_low_rank_shape(config, site);
  const std::int64_t limit = std::min(site.base.in_features(), site.base.out_features());
  if (shape.rank < 1 || shape.rank > limit) {
    throw ModelError(site.name + ": rank " + std::to_string(shape.rank) +
                         " is impossible for a weight [" +
                         std::to_string(site.base.out_features()) + ", " +
                         std::to_string(site.base.in_features()) + "], allowed are 1 to " +
                         std::to_string(limit),
                     "Lower --rank, or give this layer its own with --rank-pattern.");
  }
  return shape;
}

at::TensorOptions factor_options(const BaseWeight& base) {
  return at::TensorOptions()
      .dtype(base.dtype() == at::kDouble ? at::kDouble : at::kFloat)
      .device(base.device());
}

at::Tensor uniform_factor(const LayerSite& site, std::int64_t rank) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(site.base.in_features()));
  return random_factor(site, rank,
                       [&](Xoshiro256& random) { return (2.0 * random.uniform() - 1.0) * bound; });
}

at::Tensor normal_factor(const LayerSite& site, std::int64_t rank) {
  const double deviation = 1.0 / static_cast<double>(rank);
  return random_factor(site, rank, [&](Xoshiro256& random) { return random.normal() * deviation; });
}

}  // namespace svtune
