#include "adapters/svft/svft.h"

#include <algorithm>
#include <optional>
#include <string>

#include "adapters/decomposed_weight.h"
#include "adapters/module_match.h"
#include "adapters/svft/positions.h"
#include "adapters/svft/svft_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/svd_cache.h"
#include "linalg/weight_errors.h"
#include "nn/linear.h"

namespace svtune {
namespace {

// fp32 decomposition of a layer's weight, all of it or the leading part.
struct Decomposition {
  at::Tensor U, S, V;  // [out, n], [n], [in, n]
  std::string algorithm, fallback;
  std::optional<SvdCertificate> certificate = {};  // of a leading part
};

std::string shape_of(const BaseWeight& base) {
  return "[" + std::to_string(base.out_features()) + ", " + std::to_string(base.in_features()) +
         "]";
}

std::int64_t directions(const SvftConfig& config, const BaseWeight& base) {
  const std::int64_t n = std::min(base.in_features(), base.out_features());
  return config.basis_rank == 0 ? n : config.basis_rank;
}

Decomposition decompose(const SvftConfig& config, const std::string& layer,
                        const at::Tensor& weight, SvdCache* cache) {
  return with_weight_name(layer, [&]() -> Decomposition {
    if (config.basis_rank == 0) {
      const ThinSvd svd = full_svd(cache, weight);
      return {svd.U, svd.S, svd.V, svd.algorithm, svd.fallback};
    }
    const TruncatedSvd svd = truncated_svd(cache, weight, config.basis_rank, TruncatedSvdOptions{});
    return {svd.U,          svd.S, svd.V, svd.certificate.algorithm, svd.certificate.fallback,
            svd.certificate};
  });
}

// Directions [n, out or in] as they are held, for products in `compute`.
BaseWeight held(SvftBasisDtype dtype, const at::Tensor& directions, at::ScalarType compute) {
  switch (dtype) {
    case SvftBasisDtype::kProducts:
      return BaseWeight(directions.to(compute));
    case SvftBasisDtype::kBf16:
      return {directions.to(at::kBFloat16), compute};
    case SvftBasisDtype::kInt8:
    case SvftBasisDtype::kNf4: {
      QuantConfig quant;
      quant.type = dtype == SvftBasisDtype::kInt8 ? QuantType::kInt8 : QuantType::kNf4;
      return {std::make_shared<QuantizedMatrix>(quantize(directions, quant)), compute};
    }
  }
  return {};
}

SvftRecomputed basis_of(const SvftConfig& config, const BaseWeight& base,
                        const Decomposition& decomposition) {
  const at::ScalarType dtype = base.dtype();
  const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor Uh = decomposition.U.t().contiguous(), Vh = decomposition.V.t().contiguous();
  return {{held(config.basis_dtype, Uh, dtype), held(config.basis_dtype, Vh, dtype),
           config.basis_rank == 0 ? decomposition.S.to(wide) : at::Tensor()},
          Uh,
          Vh};
}

SvftBasis empty_basis(const SvftConfig& config, const BaseWeight& base) {
  const std::int64_t n = directions(config, base);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(base.device());
  const auto wide = options.dtype(base.dtype() == at::kDouble ? at::kDouble : at::kFloat);
  const auto zeros = [&](std::int64_t size) {
    return held(config.basis_dtype, at::zeros({n, size}, options), base.dtype());
  };
  return {zeros(base.out_features()), zeros(base.in_features()),
          config.basis_rank == 0 ? at::zeros({n}, wide) : at::Tensor()};
}

at::Tensor positions_of(const SvftConfig& config, const LayerSite& site, std::int64_t n,
                        const Decomposition& decomposition) {
  switch (config.pattern) {
    case SvftPattern::kPlain:
      return banded_positions(n, 0);
    case SvftPattern::kBanded:
      return banded_positions(n, config.bandwidth);
    case SvftPattern::kRandom:
      return random_positions(n, svft_count(config, n), site.seed);
    case SvftPattern::kTopK:
      return top_positions(at::mm(decomposition.U.t(), decomposition.V), svft_count(config, n));
  }
  return {};
}

bool stores_basis(const SvftConfig& config) { return config.basis == SvftBasisStorage::kStored; }

// Positions are kept where they follow from U and V, of which rounding may change one, and with a
// basis that is kept: such a file depends on nothing.
bool stores_positions(const SvftConfig& config, const LayerSite& site) {
  if (config.pattern == SvftPattern::kTopK) return true;
  const bool alone = !stores_basis(config) && site.file_format >= 2;
  return config.pattern == SvftPattern::kRandom && !alone;
}

void report_decomposition(const Decomposition& decomposition, Json& report) {
  report["svd"] = decomposition.algorithm;
  if (!decomposition.fallback.empty()) report["svd_fallback"] = decomposition.fallback;
  if (!decomposition.certificate) return;
  report["max_residual"] = decomposition.certificate->max_residual;
  report["captured_energy"] = decomposition.certificate->captured_energy;
}

bool keeps_base(const SvftConfig& config, const std::string& layer) {
  return config.product == SvftProduct::kDelta ||
         std::ranges::any_of(config.delta_layers, [&](const std::string& pattern) {
           return matches_pattern_key(pattern, layer);
         });
}

AdapterInit finish(const SvftConfig& config, const LayerSite& site, SvftSetup setup,
                   const Decomposition* decomposition) {
  setup.layer = site.name;
  setup.gate = config.gate;
  setup.store_basis = stores_basis(config);
  setup.store_positions = stores_positions(config, site);
  if (keeps_base(config, site.name)) setup.form = SvftForm::kDelta;
  if (!setup.values_follow) setup.whole = stands_for(setup.basis, site.base);
  AdapterInit init;
  init.report["directions"] = setup.basis.Uh.out_features();
  init.report["entries"] = setup.positions.size(1);
  if (decomposition) report_decomposition(*decomposition, init.report);
  init.adapter = std::make_unique<SvftAdapter>(std::move(setup));
  return init;
}

void set_basis(SvftSetup& setup, SvftRecomputed found) {
  setup.basis = std::move(found.basis);
  setup.exact_Uh = std::move(found.Uh);
  setup.exact_Vh = std::move(found.Vh);
}

// Format 1 was decomposed from the weight in the run's dtype.
at::Tensor weight_of(const LayerSite& site) {
  return site.file_format == 1 ? site.base.dense() : decomposed_weight(site.base);
}

void recompute_basis(const SvftConfig& config, const LayerSite& site, SvftSetup& setup) {
  const at::Tensor weight = weight_of(site);
  set_basis(setup, basis_of(config, site.base, decompose(config, site.name, weight, site.cache)));
  setup.old_file = site.file_format == 1;
  if (site.base.quantized() || weight.scalar_type() == at::kBFloat16) return;
  setup.of_bf16 = [config, layer = site.name](const BaseWeight& base) {
    return basis_of(config, base,
                    decompose(config, layer, base.dense().to(at::kBFloat16), nullptr));
  };
}

}  // namespace

void check_layer(const SvftConfig& config, const LayerSite& site) {
  const std::int64_t limit = std::min(site.base.in_features(), site.base.out_features());
  const std::int64_t n = directions(config, site.base);
  if (n > limit) {
    throw ModelError(site.name + ": basis rank " + std::to_string(n) +
                         " is impossible for a weight " + shape_of(site.base) +
                         ", allowed are 1 to " + std::to_string(limit),
                     "Lower --basis-rank, or leave it at 0 for all directions.");
  }
  if (config.pattern == SvftPattern::kTopK && site.base.in_features() != site.base.out_features()) {
    throw ModelError(site.name +
                         ": the topk pattern compares u_i with v_j and needs a square "
                         "weight, this one is " +
                         shape_of(site.base),
                     "Choose --pattern banded or random, or target square layers only.");
  }
  if (config.pattern != SvftPattern::kPlain && config.bandwidth >= n) {
    throw ModelError(site.name + ": bandwidth " + std::to_string(config.bandwidth) +
                         " does not fit a basis of " + std::to_string(n) +
                         " directions, allowed are 0 to " + std::to_string(n - 1),
                     "Lower --bandwidth.");
  }
}

bool start_exactly(SvftConfig& config, const std::vector<Linear*>& layers) {
  bool changed = false;
  for (Linear* layer : layers) {
    auto* adapter = dynamic_cast<SvftAdapter*>(layer->adapter());
    if (adapter == nullptr || !adapter->keep_base()) continue;
    config.delta_layers.push_back(layer->name());
    changed = true;
  }
  return changed;
}

std::int64_t svft_count(const SvftConfig& config, std::int64_t n) {
  return banded_count(n, config.pattern == SvftPattern::kPlain ? 0 : config.bandwidth);
}

MethodTraits traits(const SvftConfig& config) {
  // A truncated basis has W in its products.
  const bool factors_alone = config.product != SvftProduct::kDelta && config.basis_rank == 0;
  return {.compact_files = !stores_basis(config), .starts_near = factors_alone};
}

AdapterInit make_adapter(const SvftConfig& config, const LayerSite& site) {
  const at::NoGradGuard no_grad;
  check_layer(config, site);
  const Decomposition decomposition =
      decompose(config, site.name, decomposed_weight(site.base), site.cache);
  SvftSetup setup;
  set_basis(setup, basis_of(config, site.base, decomposition));
  setup.positions = positions_of(config, site, setup.basis.Uh.out_features(), decomposition);
  return finish(config, site, std::move(setup), &decomposition);
}

AdapterInit make_empty_adapter(const SvftConfig& config, const LayerSite& site) {
  const at::NoGradGuard no_grad;
  check_layer(config, site);
  const std::int64_t n = directions(config, site.base);
  SvftSetup setup;
  setup.values_follow = true;
  if (stores_basis(config) || site.shapes_only) {
    setup.basis = empty_basis(config, site.base);
    if (site.shapes_only) {
      setup.whole = config.basis_rank == 0 && !setup.basis.Uh.quantized();
    }
  } else {
    recompute_basis(config, site, setup);
  }
  if (site.base.device().is_meta()) {
    setup.positions = at::empty({2, svft_count(config, n)},
                                at::TensorOptions().dtype(at::kInt).device(at::kMeta));
  } else {
    // A band has as many entries as what the file will say.
    setup.positions = stores_positions(config, site) ? banded_positions(n, config.bandwidth)
                                                     : positions_of(config, site, n, {});
  }
  if (setup.old_file && config.pattern == SvftPattern::kRandom) {
    setup.seed_positions = positions_of(config, site, n, {});
  }
  return finish(config, site, std::move(setup), nullptr);
}

}  // namespace svtune
