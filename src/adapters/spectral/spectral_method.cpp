#include "adapters/spectral/spectral_method.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "adapters/layer_svd.h"
#include "adapters/low_rank/low_rank_config.h"
#include "adapters/spectral/spectral_adapter.h"
#include "base/errors.h"
#include "base/random.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "linalg/lapack.h"
#include "linalg/svd_cache.h"
#include "linalg/weight_errors.h"

namespace svtune {
namespace {

// Of all P of a layer, 4 GiB.
constexpr std::int64_t kMostFixedValues = std::int64_t{1} << 30;

struct Window {
  at::Tensor U, S, V;  // [out, r], [r], [in, r]
};

std::int64_t triplets(const BaseWeight& base) {
  return std::min(base.in_features(), base.out_features());
}

Window all_triplets(const LayerSite& site, Json& report) {
  const ThinSvd svd = full_svd(site.cache, site.base.dense());
  report["svd"] = svd.algorithm;
  if (!svd.fallback.empty()) report["svd_fallback"] = svd.fallback;
  return {svd.U, svd.S, svd.V};
}

// As PEFT decomposes a base again on loading.
Window lapack_triplets(const SpectralPlan& plan, const LayerSite& site, Json& report) {
  const auto [U, S, Vh] = lapack::svd(site.base.dense_high_precision().to(at::kFloat));
  report["svd"] = "gesdd";
  return {U.narrow(1, 0, plan.rank), S.narrow(0, 0, plan.rank), Vh.narrow(0, 0, plan.rank).t()};
}

Window some_triplets(const SpectralPlan& plan, const LayerSite& site, Json& report) {
  if (plan.lapack_signs) return lapack_triplets(plan, site, report);
  TruncatedSvdOptions options;
  options.part = plan.window;
  const TruncatedSvd svd = truncated_svd(site.cache, site.base.dense(), plan.rank, options);
  report_svd(svd.certificate, report);
  report["captured_energy"] = svd.certificate.captured_energy;
  return {svd.U, svd.S, svd.V};
}

// P [count, r, r] from the layer's own stream.
at::Tensor fixed_numbers(const SpectralPlan& plan, const LayerSite& site) {
  const std::int64_t r = plan.rank;
  const double deviation = 1.0 / std::sqrt(static_cast<double>(r));
  Xoshiro256 random(site.seed);
  std::vector<float> values(static_cast<std::size_t>(plan.count * r * r));
  for (float& value : values) value = static_cast<float>(random.normal() * deviation);
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat))
      .view({plan.count, r, r})
      .to(factor_options(site.base));
}

class SharedLeaves final : public MethodState {
 public:
  SharedLeaves(const SpectralPlan& plan, std::span<const LayerSite> sites) {
    std::map<std::pair<std::string, std::vector<std::int64_t>>, at::Tensor> groups;
    for (const LayerSite& site : sites) {
      const std::int64_t most = triplets(site.base);
      const std::int64_t r = plan.rank == 0 ? most : std::min(plan.rank, most);
      const bool kinds = plan.sharing == SpectralSharing::kKind;
      const auto [group, first] = groups.try_emplace(
          {kinds ? last_part(site.name) : std::string(), spectral_leaf_shape(plan, r, site.base)});
      if (first) {
        group->second = at::zeros(group->first.second, factor_options(site.base));
        group->second.requires_grad_(true);
      }
      leaves_[site.name] = {group->second, first};
    }
  }

  const SharedLeaf& of(const std::string& layer) const { return leaves_.at(layer); }

 private:
  std::map<std::string, SharedLeaf> leaves_;
};

SharedLeaf shared_leaf(const LayerSite& site) {
  const auto state = std::dynamic_pointer_cast<SharedLeaves>(site.state);
  return state ? state->of(site.name) : SharedLeaf{};
}

at::Tensor scaled(const at::Tensor& vectors, const at::Tensor& S, double power,
                  const BaseWeight& base) {
  const at::Tensor columns = power == 0 ? vectors : vectors * S.pow(power);
  return columns.to(base.device(), base.dtype());
}

}  // namespace

SpectralPlan cut_to_layer(SpectralPlan plan, const LayerSite& site) {
  plan.rank = std::min(plan.rank, triplets(site.base));
  return plan;
}

void check_spectral_layer(const SpectralPlan& plan, const LayerSite& site) {
  if (plan.trains == SpectralPart::kNumbers &&
      plan.count > kMostFixedValues / std::max<std::int64_t>(1, plan.rank * plan.rank)) {
    throw ModelError(site.name + ": " + std::to_string(plan.count) + " fixed matrices of rank " +
                         std::to_string(plan.rank) + " hold more than " +
                         std::to_string(kMostFixedValues) + " values",
                     "Lower --numbers or --rank.");
  }
  const std::int64_t limit = triplets(site.base),
                     least = plan.trains == SpectralPart::kRotation ? 2 : 1;
  if (plan.rank == 0 || (plan.rank >= least && plan.rank <= limit)) return;
  const std::string weight = "a weight [" + std::to_string(site.base.out_features()) + ", " +
                             std::to_string(site.base.in_features()) + "]";
  if (limit < least) {
    throw ModelError(site.name + ": a rotation takes two directions, " + weight + " has one",
                     "Leave the layer out of the targets (--exclude-modules).");
  }
  throw ModelError(site.name + ": rank " + std::to_string(plan.rank) + " is impossible for " +
                       weight + ", allowed are " + std::to_string(least) + " to " +
                       std::to_string(limit),
                   "Choose another --rank, or leave the layer out of the targets.");
}

AdapterInit make_spectral_adapter(const SpectralPlan& plan, const LayerSite& site) {
  check_spectral_layer(plan, site);
  AdapterInit init;
  const Window window = with_weight_name(site.name, [&] {
    return plan.rank == 0 ? all_triplets(site, init.report)
                          : some_triplets(plan, site, init.report);
  });
  SpectralBasis basis;
  if (plan.trains != SpectralPart::kLeftSide) {
    basis.L = scaled(window.U, window.S, plan.left_power, site.base).contiguous();
  }
  if (plan.trains != SpectralPart::kRightSide) {
    basis.R = scaled(window.V, window.S, plan.right_power, site.base).t().contiguous();
  }
  if (plan.trains == SpectralPart::kNumbers) basis.P = fixed_numbers(plan, site);
  init.report["rank"] = window.S.size(0);
  init.adapter =
      std::make_unique<SpectralAdapter>(plan, std::move(basis), site.base, shared_leaf(site));
  return init;
}

AdapterInit make_empty_spectral_adapter(const SpectralPlan& plan, const LayerSite& site) {
  const std::int64_t most = triplets(site.base);
  // PEFT's files have fewer where a layer has no more.
  const std::int64_t r = plan.rank == 0 ? most : std::min(plan.rank, most);
  const auto compute = at::TensorOptions().dtype(site.base.dtype()).device(site.base.device());
  SpectralBasis basis;
  if (plan.trains != SpectralPart::kLeftSide) {
    basis.L = at::zeros({site.base.out_features(), r}, compute);
  }
  if (plan.trains != SpectralPart::kRightSide) {
    basis.R = at::zeros({r, site.base.in_features()}, compute);
  }
  if (plan.trains == SpectralPart::kNumbers) {
    basis.P = at::zeros({plan.count, r, r}, factor_options(site.base));
  }
  AdapterInit init;
  init.report["rank"] = r;
  init.adapter =
      std::make_unique<SpectralAdapter>(plan, std::move(basis), site.base, shared_leaf(site));
  return init;
}

std::unique_ptr<MethodState> make_spectral_state(const SpectralPlan& plan,
                                                 std::span<const LayerSite> sites) {
  if (plan.sharing == SpectralSharing::kNone) return nullptr;
  return std::make_unique<SharedLeaves>(plan, sites);
}

}  // namespace svtune
