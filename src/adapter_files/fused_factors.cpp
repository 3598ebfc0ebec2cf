#include "adapter_files/fused_factors.h"

#include <algorithm>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

using RankByLayer = std::map<std::string, std::int64_t>;

// Which components of an expert's r belong to each of its layers.
struct ComponentLayout {
  std::int64_t rank = 0;
  std::vector<std::int64_t> first;  // of each layer of an expert
};

ComponentLayout component_layout(const LayerParameter& parameter, const RankByLayer& ranks,
                                 bool one_A) {
  std::vector<std::int64_t> widths(parameter.experts[0].size(), 0);
  for (const auto& expert : parameter.experts) {
    for (std::size_t i = 0; i < expert.size(); ++i) {
      const auto rank = ranks.find(expert[i]->name());
      if (rank != ranks.end()) widths[i] = std::max(widths[i], rank->second);
    }
  }
  ComponentLayout layout;
  for (const std::int64_t width : widths) {
    layout.first.push_back(one_A ? 0 : layout.rank);
    layout.rank = one_A ? std::max(layout.rank, width) : layout.rank + width;
  }
  return layout;
}

bool share_A(const LayerParameter& parameter, const FactorsByLayer& factors) {
  return std::ranges::all_of(parameter.experts, [&](const auto& expert) {
    const at::Tensor* first = nullptr;
    for (const Linear* layer : expert) {
      const auto own = factors.find(layer->name());
      if (own == factors.end()) continue;
      if (first != nullptr && !first->equal(own->second.A)) return false;
      first = &own->second.A;
    }
    return true;
  });
}

// Calls use(layer, A, B) with the layer's parts of both tensors, views.
template <class Use>
void for_each_part(const LayerParameter& parameter, const FusedFactors& fused,
                   const ComponentLayout& layout, const RankByLayer& ranks, const Use& use) {
  const auto experts = static_cast<std::int64_t>(parameter.experts.size());
  const at::Tensor A = fused.A.view({experts, layout.rank, parameter.in_features()});
  const at::Tensor B = fused.B.view({parameter.out_features(), layout.rank, experts});
  for (std::int64_t e = 0; e < experts; ++e) {
    const auto& layers = parameter.experts[static_cast<std::size_t>(e)];
    std::int64_t row = 0;
    for (std::size_t i = 0; i < layers.size(); row += layers[i]->out_features(), ++i) {
      const auto rank = ranks.find(layers[i]->name());
      if (rank == ranks.end()) continue;
      const std::int64_t first = layout.first[i];
      use(layers[i]->name(), A.select(0, e).narrow(0, first, rank->second),
          B.select(2, e).narrow(0, row, layers[i]->out_features()).narrow(1, first, rank->second));
    }
  }
}

FactorsByLayer factors_of(const LayerParameter& parameter, const FusedFactors& fused,
                          const ComponentLayout& layout, const RankByLayer& ranks) {
  FactorsByLayer factors;
  for_each_part(parameter, fused, layout, ranks,
                [&](const std::string& layer, const at::Tensor& A, const at::Tensor& B) {
                  factors[layer] = {A, B};
                });
  return factors;
}

}  // namespace

FusedFactors fuse(const LayerParameter& parameter, const FactorsByLayer& factors) {
  RankByLayer ranks;
  at::TensorOptions options;
  for (const Linear* layer : parameter.layers()) {
    const auto own = factors.find(layer->name());
    if (own == factors.end()) continue;
    ranks[layer->name()] = own->second.A.size(0);
    options = own->second.A.options();
  }
  const ComponentLayout layout = component_layout(parameter, ranks, share_A(parameter, factors));
  const auto experts = static_cast<std::int64_t>(parameter.experts.size());
  FusedFactors fused{at::zeros({experts * layout.rank, parameter.in_features()}, options),
                     at::zeros({parameter.out_features(), layout.rank * experts}, options),
                     layout.rank};
  for_each_part(parameter, fused, layout, ranks,
                [&](const std::string& layer, const at::Tensor& A, const at::Tensor& B) {
                  A.copy_(factors.at(layer).A);
                  B.copy_(factors.at(layer).B);
                });
  return fused;
}

FactorsByLayer with_shared_A(const LayerParameter& parameter, const FusedFactors& fused) {
  RankByLayer ranks;
  for (const Linear* layer : parameter.layers()) ranks[layer->name()] = fused.rank;
  return factors_of(parameter, fused, component_layout(parameter, ranks, true), ranks);
}

std::optional<FactorsByLayer> split_factors(const LayerParameter& parameter,
                                            const FusedFactors& fused, const RankByLayer& ranks) {
  for (const bool one_A : {true, false}) {
    const ComponentLayout layout = component_layout(parameter, ranks, one_A);
    if (layout.rank != fused.rank) continue;
    FactorsByLayer factors = factors_of(parameter, fused, layout, ranks);
    const FusedFactors again = fuse(parameter, factors);
    if (again.rank == fused.rank && again.A.equal(fused.A) && again.B.equal(fused.B)) {
      return factors;
    }
  }
  return std::nullopt;
}

}  // namespace svtune
