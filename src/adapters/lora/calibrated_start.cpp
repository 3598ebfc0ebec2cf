// Starts of LoRA that are found on data, from the sums of a pass over some batches:
//   EVA       A = principal components of the inputs, B = 0, ranks to where they explain most
//             (One Initialization to Rule them All, 2410.07170, section 3);
//   CorDA     s·BA = U Uᵀ W for the leading or last r left singular vectors U of W C, C = Σ x xᵀ
//             (CorDA 2406.05223, section 3);
//   LoRA-GA   A from the leading r triplets of the gradient, B from the r behind them
//             (LoRA-GA 2407.05000, theorem 3.1 and section 3.3);
//   LoRA-One  A and B from the leading r triplets of the negative gradient
//             (LoRA-One 2502.01235, algorithm 1; the authors' code leaves W as it is, so that s·BA
//             is a first step: config.first_step).
#include <algorithm>
#include <cmath>

#include "adapters/layer_svd.h"
#include "adapters/lora/lora.h"
#include "adapters/module_match.h"
#include "base/errors.h"
#include "libtorch/prelude.h"
#include "linalg/leading_eigen.h"
#include "linalg/svd.h"

namespace svtune {
namespace {

constexpr double kDamping = 0.01;  // of CorDA's C, of its mean diagonal; the authors' and PEFT's

TruncatedSvd decompose(const LayerSite& site, const at::Tensor& matrix, std::int64_t rank,
                       SpectrumPart part = SpectrumPart::kPrincipal) {
  TruncatedSvdOptions options;
  options.part = part;
  return layer_svd(site, nullptr, matrix, rank, options);
}

// Components that are found of a layer's inputs.
std::int64_t eva_components(const LoraConfig& config, std::int64_t rank, const LayerSite& site) {
  const std::int64_t most = std::min(site.base.in_features(), site.base.out_features());
  return std::min<std::int64_t>(most,
                                std::llround(static_cast<double>(rank) * (1 + config.rank_spread)));
}

CalibratedLayer eva_start(const LoraConfig& config, const LowRankShape& shape,
                          const LayerSite& site, const LayerSums& sums) {
  const std::int64_t count = eva_components(config, shape.rank, site);
  if (sums.rows <= count) {
    if (sums.half) return {};
    throw ModelError(site.name + ": saw " + std::to_string(sums.rows) + " tokens, which have no " +
                         std::to_string(count) + " principal components",
                     "Raise --calibration-batches.");
  }
  const EigenFactors factors = leading_eigen(sums.matrix, count);
  const double total = sums.matrix.to(at::kDouble).diagonal().sum().item<double>();
  CalibratedLayer layer{{factors.vectors.t().contiguous(), {}, shape.scaling}, shape.rank};
  if (config.rank_spread == 0) return layer;
  const at::Tensor shares = factors.values / std::max(total, 1e-300);
  layer.worth.assign(shares.const_data_ptr<double>(), shares.const_data_ptr<double>() + count);
  return layer;
}

// U Σ Vᵀ = W C gives Σ Vᵀ C⁻¹ = Uᵀ W, so that nothing has to be inverted.
CalibratedLayer corda_start(const LoraConfig& config, const LowRankShape& shape,
                            const LayerSite& site, const LayerSums& sums) {
  const at::Tensor W = site.base.dense_high_precision();
  const at::Tensor diagonal = sums.matrix.diagonal();
  const double damping = kDamping * diagonal.mean().item<double>();
  at::Tensor product = at::mm(W, sums.matrix);
  product.add_(W, damping).div_(static_cast<double>(sums.batches));
  const bool first = config.corda_mode == CordaMode::kInstruction;
  const TruncatedSvd svd =
      decompose(site, product, shape.rank, first ? SpectrumPart::kPrincipal : SpectrumPart::kMinor);
  const at::Tensor U = svd.U.to(W.scalar_type());
  // A direction that W C has not at all would be divided by zero.
  const double least = 1e-12 * product.norm().item<double>() + 1e-300;
  const at::Tensor root = (svd.S.to(W.scalar_type()).clamp_min(least) / shape.scaling).sqrt();
  const at::Tensor down = at::mm(U.t(), W) / (root * shape.scaling).unsqueeze(1);
  return {{down, U * root, shape.scaling}, shape.rank};
}

// out^(1/4) / √γ: the size of the layer's output does not depend on the number of its features.
double stable_factor(const LoraConfig& config, const LayerSite& site) {
  const auto out = static_cast<double>(site.base.out_features());
  return std::pow(out, 0.25) / std::sqrt(config.gamma());
}

CalibratedLayer lora_ga_start(const LoraConfig& config, const LowRankShape& shape,
                              const LayerSite& site, const LayerSums& sums) {
  const std::int64_t r = shape.rank;
  const TruncatedSvd svd = decompose(site, sums.matrix, 2 * r);
  const double factor = stable_factor(config, site);
  const bool stable = config.gradient_scale == GradientScale::kStable;
  at::Tensor up = svd.U.narrow(1, r, r) * factor, down = svd.V.narrow(1, 0, r).t().contiguous();
  if (stable) {
    down = down * factor;
  } else {
    up = up * svd.S.narrow(0, r, r);
  }
  return {{down, up, shape.scaling}, r};
}

CalibratedLayer lora_one_start(const LoraConfig& config, const LowRankShape& shape,
                               const LayerSite& site, const LayerSums& sums) {
  const TruncatedSvd svd = decompose(site, sums.matrix, shape.rank);
  const double largest = svd.S[0].item<double>();
  // s·B0A0 is then a step of the gradient at the rate s / (γ σ₁), as the authors' code has it.
  const at::Tensor sizes = (svd.S / std::max(largest, 1e-300) / config.gamma()).sqrt();
  return {{sizes.unsqueeze(1) * svd.V.t(), svd.U * -sizes, shape.scaling}, shape.rank};
}

}  // namespace

std::optional<CalibrationPlan> calibration_plan(const LoraConfig& config) {
  CalibrationPlan plan{.batches = config.calibration_batches};
  switch (config.init) {
    case LoraInit::kEva:
      plan.centred = plan.supervised = plan.compares_half = true;
      return plan;
    case LoraInit::kCorda:
      plan.unit_largest = true;
      return plan;
    case LoraInit::kLoraGa:
    case LoraInit::kLoraOne:
      plan.sum = CalibrationSum::kGradient;
      return plan;
    default:
      return std::nullopt;
  }
}

CalibrationCost calibration_cost(const LoraConfig& config, const LayerSite& site) {
  const std::int64_t out = site.base.out_features(), in = site.base.in_features();
  const std::int64_t rank = low_rank_shape(config.low_rank, site).rank;
  if (config.init == LoraInit::kEva) {
    const std::int64_t count = eva_components(config, rank, site);
    return {leading_eigen_workspace(in, count), 8 * count * in};
  }
  const bool corda = config.init == LoraInit::kCorda;
  const bool last = corda && config.corda_mode == CordaMode::kKnowledge;
  CalibrationCost cost;
  cost.work =
      truncated_svd_workspace(out, in, last ? SpectrumPart::kMinor : SpectrumPart::kPrincipal);
  if (corda) {
    const at::Tensor& stored = site.base.stored();
    const bool is_wide = stored.defined() && stored.scalar_type() == at::kFloat;
    cost.work += 4 * out * in * (is_wide ? 1 : 2);  // W C, and W where it is not stored so
  }
  cost.start = 4 * rank * (in + out);
  return cost;
}

CalibratedLayer calibrated_start(const LoraConfig& config, const LayerSite& site,
                                 const LayerSums& sums) {
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  switch (config.init) {
    case LoraInit::kEva:
      return eva_start(config, shape, site, sums);
    case LoraInit::kCorda:
      return corda_start(config, shape, site, sums);
    case LoraInit::kLoraGa:
      return lora_ga_start(config, shape, site, sums);
    default:
      return lora_one_start(config, shape, site, sums);
  }
}

LoraConfig with_ranks(const LoraConfig& config, const std::map<std::string, std::int64_t>& ranks) {
  LoraConfig out = config;
  LowRankConfig& low_rank = out.low_rank;
  low_rank.rank_pattern.clear();
  low_rank.alpha_pattern.clear();
  for (const auto& [name, rank] : ranks) {
    if (rank != low_rank.rank) low_rank.rank_pattern[name] = rank;
    const std::int64_t before =
        match_pattern(config.low_rank.rank_pattern, name).value_or(low_rank.rank);
    std::optional<double> alpha = match_pattern(config.low_rank.alpha_pattern, name);
    if (!alpha) alpha = low_rank.alpha;
    // Without one alpha is the rank, whatever that is.
    if (!alpha) continue;
    const double kept = *alpha * static_cast<double>(rank) / static_cast<double>(before);
    if (kept != low_rank.alpha) low_rank.alpha_pattern[name] = kept;
  }
  return out;
}

}  // namespace svtune
