#include "adapters/lora/lora.h"

#include <cmath>

#include "adapters/lora/low_rank_adapter.h"
#include "adapters/module_match.h"
#include "base/errors.h"
#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// fp32 factors; fp64 for an fp64 base, so that tests can differentiate numerically.
at::TensorOptions factor_options(const BaseWeight& base) {
  return at::TensorOptions().dtype(base.dtype() == at::kDouble ? at::kDouble : at::kFloat);
}

at::Tensor random_A(const LoraConfig& config, const LayerSite& site, std::int64_t rank) {
  const std::int64_t in = site.base.in_features();
  Xoshiro256 random(site.seed);
  std::vector<float> values(static_cast<std::size_t>(rank * in));
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  const double deviation = 1.0 / static_cast<double>(rank);
  for (float& value : values) {
    value = static_cast<float>(config.init == LoraInit::kKaiming
                                   ? (2.0 * random.uniform() - 1.0) * bound
                                   : random.normal() * deviation);
  }
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat))
      .view({rank, in})
      .to(factor_options(site.base).device(site.base.device()));
}

AdapterInit finish(const LowRankShape& shape, const LoraConfig& config, const LayerSite& site,
                   const at::Tensor& A) {
  const at::Tensor B = at::zeros({site.base.out_features(), shape.rank}, A.options());
  AdapterInit init;
  init.adapter = std::make_unique<LowRankAdapter>(
      A, B, LowRankOptions{shape.scaling, config.low_rank.dropout, site.base.dtype()});
  init.report["rank"] = shape.rank;
  return init;
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

AdapterInit make_adapter(const LoraConfig& config, const LayerSite& site) {
  if (config.init == LoraInit::kLoftq) {
    throw ModelError(site.name + ": LoftQ starts where a base is quantised, not on a given one",
                     "Quantise the model with the method loftq first.");
  }
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  return finish(shape, config, site, random_A(config, site, shape.rank));
}

AdapterInit make_empty_adapter(const LoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = stored_low_rank_shape(config.low_rank, site);
  return finish(shape, config, site,
                at::zeros({shape.rank, site.base.in_features()},
                          factor_options(site.base).device(site.base.device())));
}

}  // namespace svtune
