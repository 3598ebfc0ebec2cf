#include "spectrum/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/lapack.h"
#include "linalg/parallel.h"
#include "linalg/svd_cache.h"
#include "linalg/weight_errors.h"
#include "spectrum/shares.h"

namespace svtune {
namespace {

// Of two thin factors without the product; a dense difference of fp32 weights would add the
// rounding of all its entries as small singular values.
at::Tensor singular_values(const WeightChange& change) {
  if (!change.factors) return full_svd(change.change).S.to(at::kDouble);
  const at::Tensor left = lapack::qr(change.factors->up.to(at::kDouble)).R;
  const at::Tensor right = lapack::qr(change.factors->down.to(at::kDouble).t()).R;
  return lapack::svd(at::mm(left, right.t())).S * std::abs(change.factors->scale);
}

double effective_rank(const at::Tensor& sigma) {
  const double sum = sigma.sum().item<double>();
  if (sum == 0) return 0;
  double entropy = 0;
  for (std::int64_t i = 0; i < sigma.size(0); ++i) {
    const double share = sigma[i].item<double>() / sum;
    if (share > 0) entropy -= share * std::log(share);
  }
  return std::exp(entropy);
}

UpdateFigures figures_of(const at::Tensor& weight, const ThinSvd& svd, const WeightChange& change,
                         const CompareOptions& options) {
  const std::int64_t n = svd.S.size(0);
  UpdateFigures figures;
  figures.shares = update_shares(change.change, svd, std::min(options.rank, n));
  figures.shares.relative_norm = norm_of(change.change) / std::max(norm_of(weight), 1e-30);
  figures.effective_rank = effective_rank(singular_values(change));
  const ThinSvd changed = full_svd(weight + change.change);
  const at::Tensor first = changed.U.narrow(1, 0, std::min(options.top, n));
  const at::Tensor cosines = std::get<0>(at::mm(first.t(), svd.U).abs().max(1)).to(at::kDouble);
  for (std::int64_t i = 0; i < cosines.size(0); ++i) {
    figures.cosines.push_back(cosines[i].item<double>());
    figures.intruders += figures.cosines.back() < options.threshold ? 1 : 0;
  }
  figures.drift = norm_of(changed.S - svd.S) / std::max(norm_of(svd.S), 1e-30);
  return figures;
}

using LayersByName = std::map<std::string, const Linear*>;

LayersByName layers_of(const Model& model) {
  LayersByName layers;
  for (const Linear* layer : model.net->linears()) layers[layer->name()] = layer;
  return layers;
}

// nullptr where the candidate leaves the layer as it is.
const Linear* counterpart(const Linear& layer, const Candidate& candidate,
                          const LayersByName& layers) {
  const auto found = layers.find(layer.name());
  const bool fits = found != layers.end() &&
                    found->second->out_features() == layer.out_features() &&
                    found->second->in_features() == layer.in_features();
  if (!fits) {
    throw ModelError(layer.name() + ": " + candidate.model->path.string() +
                         " has no such layer of the same shape",
                     "Compare adapters and models of one base.");
  }
  if (!candidate.whole && found->second->adapter() == nullptr) return nullptr;
  return found->second;
}

}  // namespace

WeightChange adapter_change(const Linear& adapted, const BaseWeight& base) {
  const at::NoGradGuard no_grad;
  WeightChange change;
  change.factors = adapted.adapter()->low_rank_delta();
  if (change.factors) {
    change.change = at::mm(change.factors->up, change.factors->down).mul_(change.factors->scale);
  } else {
    change.change = adapted.adapter()->merged_weight(base) - base.dense_high_precision();
  }
  change.change = change.change.to(at::kFloat);
  return change;
}

WeightChange difference(const Linear& changed, const BaseWeight& base) {
  return {(changed.base().dense_high_precision() - base.dense_high_precision()).to(at::kFloat), {}};
}

std::vector<std::optional<UpdateFigures>> compare_weight(const at::Tensor& weight,
                                                         const std::vector<WeightChange>& changes,
                                                         const CompareOptions& options) {
  const ThinSvd svd = full_svd(options.cache, weight);
  const at::Tensor dense = weight.to(at::kFloat);
  std::vector<std::optional<UpdateFigures>> figures;
  for (const WeightChange& change : changes) {
    if (change.change.defined()) {
      figures.emplace_back(figures_of(dense, svd, change, options));
    } else {
      figures.emplace_back();
    }
  }
  return figures;
}

std::vector<ComparedLayer> compare_weights(const Model& base,
                                           const std::vector<Candidate>& candidates,
                                           const CompareOptions& options) {
  std::vector<LayersByName> by_name;
  for (const Candidate& each : candidates) {
    if (each.model->layer_replication != base.layer_replication) {
      throw ModelError(each.model->path.string() + ": its adapter repeats layers of the model",
                       "Merge it, and compare the merged model with its like.");
    }
    by_name.push_back(layers_of(*each.model));
  }
  struct Work {
    const Linear* layer;
    std::vector<const Linear*> changed;  // by candidate, or null
  };
  std::vector<Work> work;
  for (const Linear* layer : base.net->linears()) {
    if (layer == &base.net->head() || base.is_made(*layer)) continue;
    Work one{layer, {}};
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      one.changed.push_back(counterpart(*layer, candidates[c], by_name[c]));
    }
    if (std::ranges::any_of(one.changed, [](auto* each) { return each != nullptr; })) {
      work.push_back(std::move(one));
    }
  }
  std::vector<ComparedLayer> result(work.size());
  const auto compare = [&](std::int64_t i) {
    const Linear& layer = *work[i].layer;
    std::vector<WeightChange> changes;
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      const Linear* changed = work[i].changed[c];
      if (changed == nullptr) {
        changes.emplace_back();
      } else {
        changes.push_back(candidates[c].whole ? difference(*changed, layer.base())
                                              : adapter_change(*changed, layer.base()));
      }
    }
    result[i] = {layer.name(), layer.out_features(), layer.in_features(),
                 with_weight_name(layer.name(), [&] {
                   return compare_weight(layer.base().dense(), changes, options);
                 })};
  };
  for_each_matrix(static_cast<std::int64_t>(work.size()), compare, options.progress);
  return result;
}

}  // namespace svtune
