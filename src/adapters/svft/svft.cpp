#include "adapters/svft/svft.h"

#include <algorithm>
#include <optional>
#include <string>

#include "adapters/svft/positions.h"
#include "adapters/svft/svft_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/svd_cache.h"

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

Decomposition decompose(const SvftConfig& config, const LayerSite& site) {
  try {
    if (config.basis_rank == 0) {
      const ThinSvd svd = full_svd(site.cache, site.base.dense());
      return {svd.U, svd.S, svd.V, svd.algorithm, svd.fallback};
    }
    const TruncatedSvd svd =
        truncated_svd(site.cache, site.base.dense(), config.basis_rank, TruncatedSvdOptions{});
    return {svd.U,          svd.S, svd.V, svd.certificate.algorithm, svd.certificate.fallback,
            svd.certificate};
  } catch (const ModelError& error) {
    throw ModelError(site.name + ": " + error.what(), error.hint());
  }
}

SvftBasis basis_of(const SvftConfig& config, const BaseWeight& base,
                   const Decomposition& decomposition) {
  const at::ScalarType dtype = base.dtype();
  const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
  return {decomposition.U.t().to(dtype).contiguous(), decomposition.V.t().to(dtype).contiguous(),
          config.basis_rank == 0 ? decomposition.S.to(wide) : at::Tensor()};
}

SvftBasis empty_basis(const SvftConfig& config, const BaseWeight& base) {
  const std::int64_t n = directions(config, base);
  const auto options = at::TensorOptions().dtype(base.dtype()).device(base.device());
  const auto wide = options.dtype(base.dtype() == at::kDouble ? at::kDouble : at::kFloat);
  return {at::zeros({n, base.out_features()}, options), at::zeros({n, base.in_features()}, options),
          config.basis_rank == 0 ? at::zeros({n}, wide) : at::Tensor()};
}

// Positions that follow from the configuration and the layer's seed alone.
bool follows_from_config(SvftPattern pattern) {
  return pattern == SvftPattern::kPlain || pattern == SvftPattern::kBanded;
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

void report_decomposition(const Decomposition& decomposition, Json& report) {
  report["svd"] = decomposition.algorithm;
  if (!decomposition.fallback.empty()) report["svd_fallback"] = decomposition.fallback;
  if (!decomposition.certificate) return;
  report["max_residual"] = decomposition.certificate->max_residual;
  report["captured_energy"] = decomposition.certificate->captured_energy;
}

AdapterInit finish(const SvftConfig& config, const LayerSite& site, SvftSetup setup,
                   const Decomposition* decomposition) {
  setup.layer = site.name;
  setup.gate = config.gate;
  setup.store_basis = config.basis == SvftBasisStorage::kStored;
  setup.store_positions = !follows_from_config(config.pattern);
  AdapterInit init;
  init.report["directions"] = setup.basis.Uh.size(0);
  init.report["entries"] = setup.positions.size(1);
  if (decomposition) report_decomposition(*decomposition, init.report);
  init.adapter = std::make_unique<SvftAdapter>(std::move(setup));
  return init;
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

std::int64_t svft_count(const SvftConfig& config, std::int64_t n) {
  return banded_count(n, config.pattern == SvftPattern::kPlain ? 0 : config.bandwidth);
}

AdapterInit make_adapter(const SvftConfig& config, const LayerSite& site) {
  const at::NoGradGuard no_grad;
  check_layer(config, site);
  const Decomposition decomposition = decompose(config, site);
  SvftSetup setup;
  setup.basis = basis_of(config, site.base, decomposition);
  setup.positions = positions_of(config, site, setup.basis.Uh.size(0), decomposition);
  return finish(config, site, std::move(setup), &decomposition);
}

AdapterInit make_empty_adapter(const SvftConfig& config, const LayerSite& site) {
  const at::NoGradGuard no_grad;
  check_layer(config, site);
  const std::int64_t n = directions(config, site.base);
  SvftSetup setup;
  setup.values_follow = true;
  setup.basis = config.basis == SvftBasisStorage::kStored
                    ? empty_basis(config, site.base)
                    : basis_of(config, site.base, decompose(config, site));
  setup.positions = follows_from_config(config.pattern)
                        ? positions_of(config, site, n, {})
                        : at::zeros({2, svft_count(config, n)}, at::kInt);
  return finish(config, site, std::move(setup), nullptr);
}

}  // namespace svtune
