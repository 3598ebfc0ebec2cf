#include "adapters/adalora/adalora.h"

#include <algorithm>
#include <vector>

#include "adapters/adalora/adalora_adapter.h"
#include "adapters/layer_svd.h"
#include "adapters/low_rank/low_rank_config.h"
#include "base/errors.h"
#include "base/random.h"
#include "libtorch/prelude.h"
#include "linalg/svd_cache.h"

namespace svtune {
namespace {

constexpr double kDeviation = 0.02;

at::Tensor normal(Xoshiro256& random, const std::vector<std::int64_t>& shape,
                  const LayerSite& site) {
  std::vector<float> values(static_cast<std::size_t>(shape[0] * shape[1]));
  for (float& value : values) value = static_cast<float>(random.normal() * kDeviation);
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat))
      .view(shape)
      .to(factor_options(site.base));
}

AdapterInit finish(const AdaloraConfig& config, const LayerSite& site, const AdaloraLeaves& leaves,
                   const AdaloraStart& start, const at::Tensor& pattern = {}) {
  AdapterInit init;
  init.adapter = std::make_unique<AdaloraAdapter>(
      leaves,
      LowRankOptions{.scaling = config.scaling(),
                     .dropout = config.dropout,
                     .compute_dtype = site.base.dtype()},
      start, std::dynamic_pointer_cast<AdaloraState>(site.state), site.name, pattern);
  init.report["rank"] = leaves.A.size(0);
  return init;
}

AdapterInit start_at_triplets(const AdaloraConfig& config, const LayerSite& site) {
  const TruncatedSvd svd = layer_svd(site, site.cache, site.base.dense(), config.rank);
  const at::TensorOptions options = factor_options(site.base);
  AdaloraLeaves leaves{svd.V.t().to(options).contiguous(),
                       (svd.S / config.scaling()).to(options).unsqueeze(1),
                       svd.U.to(options).contiguous()};
  const AdaloraStart start{leaves.A * leaves.E, leaves.B.clone()};
  AdapterInit init = finish(config, site, leaves, start);
  report_svd(svd.certificate, init.report);
  init.report["captured_energy"] = svd.certificate.captured_energy;
  return init;
}

}  // namespace

std::int64_t AdaloraConfig::rank_of(const std::string& layer) const {
  const auto found = kept.find(layer);
  if (found == kept.end()) return rank;
  return std::ranges::count(found->second, true);
}

double AdaloraConfig::scaling() const {
  const auto count = static_cast<double>(rank);
  return alpha.value_or(count) / (count + 1e-5);
}

MethodTraits traits(const AdaloraConfig& config) {
  return {.needs_dense_base = config.init == AdaloraInit::kPissa};
}

void check_layer(const AdaloraConfig& config, const LayerSite& site) {
  const std::int64_t limit = std::min(site.base.in_features(), site.base.out_features());
  if (config.rank > limit) {
    throw ModelError(site.name + ": rank " + std::to_string(config.rank) +
                         " is impossible for a weight [" +
                         std::to_string(site.base.out_features()) + ", " +
                         std::to_string(site.base.in_features()) + "], allowed are 1 to " +
                         std::to_string(limit),
                     "Lower --rank, or leave the layer out of the targets.");
  }
  if (config.prunes() && config.target_rank > config.rank) {
    throw UsageError("--target-rank " + std::to_string(config.target_rank) + " lies above --rank " +
                         std::to_string(config.rank) + ", from which the budget shrinks",
                     "Raise --rank or lower --target-rank.");
  }
  if (!config.prunes() && site.base.quantized()) {
    throw ModelError(site.name +
                         ": PiSSA's start is taken from the full weights, these are "
                         "quantised already",
                     "Give the original model, or --init normal.");
  }
}

std::unique_ptr<MethodState> make_state(const AdaloraConfig& config,
                                        std::span<const LayerSite> sites) {
  const AdaloraRules rules{.prunes = config.prunes(),
                           .target_rank = config.target_rank,
                           .full_steps = config.full_budget_steps,
                           .final_steps = config.final_budget_steps,
                           .interval = config.budget_interval,
                           .importance_decay = config.importance_decay,
                           .uncertainty_decay = config.uncertainty_decay,
                           .orthogonal_weight = config.orthogonal_weight,
                           .squares = config.orthogonal_penalty == OrthogonalPenalty::kSquares,
                           .final = !config.kept.empty(),
                           .total_steps = config.total_steps};
  std::vector<AdaloraSize> layers;
  for (const LayerSite& site : sites) {
    layers.push_back({site.name, config.rank_of(site.name), site.base.in_features(),
                      site.base.out_features(), factor_options(site.base)});
  }
  return std::make_unique<AdaloraState>(rules, layers);
}

AdapterInit make_adapter(const AdaloraConfig& config, const LayerSite& site) {
  check_layer(config, site);
  if (config.init == AdaloraInit::kPissa) return start_at_triplets(config, site);
  Xoshiro256 random(site.seed);
  const at::Tensor A = normal(random, {config.rank, site.base.in_features()}, site);
  const at::Tensor B = normal(random, {site.base.out_features(), config.rank}, site);
  return finish(config, site, {A, at::zeros({config.rank, 1}, A.options()), B}, {});
}

AdapterInit make_empty_adapter(const AdaloraConfig& config, const LayerSite& site) {
  const std::int64_t rank = config.rank_of(site.name);
  const std::int64_t in = site.base.in_features(), out = site.base.out_features();
  const at::TensorOptions options = factor_options(site.base);
  AdaloraStart start;
  if (!config.prunes()) start = {at::zeros({rank, in}, options), at::zeros({out, rank}, options)};
  at::Tensor pattern;
  if (const auto found = config.kept.find(site.name); found != config.kept.end()) {
    pattern = at::zeros({static_cast<std::int64_t>(found->second.size())}, at::kBool);
    for (std::size_t i = 0; i < found->second.size(); ++i) {
      pattern[static_cast<std::int64_t>(i)] = bool{found->second[i]};
    }
  }
  const AdaloraLeaves leaves{at::zeros({rank, in}, options), at::zeros({rank, 1}, options),
                             at::zeros({out, rank}, options)};
  return finish(config, site, leaves, start, pattern);
}

QuantizedStart<AdaloraConfig> quantized_start(const AdaloraConfig& config) {
  if (config.prunes()) return {};
  throw UsageError("--init pissa of AdaLoRA takes its start from the full weights",
                   "Leave out --base-dtype, or --init pissa.");
}

}  // namespace svtune
