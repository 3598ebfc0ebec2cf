#include "adapters/pissa/pissa.h"

#include "adapters/lora/low_rank_adapter.h"
#include "base/errors.h"
#include "linalg/torch_pch.h"

namespace svtune {
namespace {

SpectrumPart part_of(SingularValues values) {
  switch (values) {
    case SingularValues::kMedium:
      return SpectrumPart::kMedium;
    case SingularValues::kMinor:
      return SpectrumPart::kMinor;
    default:
      return SpectrumPart::kPrincipal;
  }
}

TruncatedSvd decompose(const PissaConfig& config, const LayerSite& site, std::int64_t rank) {
  TruncatedSvdOptions options;
  options.algorithm =
      config.svd == PissaSvd::kExact ? SvdAlgorithm::kExact : SvdAlgorithm::kFast;
  options.part = part_of(config.singular_values);
  options.niter = config.niter;
  options.oversample = config.oversample;
  options.seed = site.seed;
  if (config.svd == PissaSvd::kFast && options.part != SpectrumPart::kPrincipal) {
    throw UsageError("--svd fast finds principal singular values only",
                     "Use --svd exact with --singular-values medium or minor.");
  }
  try {
    return truncated_svd(site.base.dense(), rank, options);
  } catch (const ModelError& error) {
    throw ModelError(site.name + ": " + error.what(), error.hint());
  }
}

AdapterInit finish(const LowRankShape& shape, const PissaConfig& config, const LayerSite& site,
                   const at::Tensor& A0, const at::Tensor& B0) {
  AdapterInit init;
  init.adapter = std::make_unique<LowRankAdapter>(
      A0.clone(), B0.clone(),
      LowRankOptions{shape.scaling, config.low_rank.dropout, site.base.dtype()}, A0, B0);
  init.report["rank"] = shape.rank;
  return init;
}

at::ScalarType factor_dtype(const BaseWeight& base) {
  return base.dtype() == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace

AdapterInit make_adapter(const PissaConfig& config, const LayerSite& site) {
  if (site.base.quantized()) {
    throw ModelError(site.name + ": PiSSA takes its start from the full weights, these are "
                                 "quantised already",
                     "Give the original model with --base-dtype nf4, which quantises the rest.");
  }
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  const TruncatedSvd svd = decompose(config, site, shape.rank);
  // Dividing by the scaling makes s·B₀A₀ the rank-r product for every alpha.
  const at::Tensor root = (svd.S / shape.scaling).sqrt();
  const at::Tensor A0 = (root.unsqueeze(1) * svd.V.t()).to(factor_dtype(site.base)).contiguous();
  const at::Tensor B0 = (svd.U * root.unsqueeze(0)).to(factor_dtype(site.base)).contiguous();
  AdapterInit init = finish(shape, config, site, A0, B0);
  init.report["svd"] = svd.certificate.algorithm;
  init.report["max_residual"] = svd.certificate.max_residual;
  init.report["captured_energy"] = svd.certificate.captured_energy;
  return init;
}

AdapterInit make_empty_adapter(const PissaConfig& config, const LayerSite& site) {
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  const auto options =
      at::TensorOptions().dtype(factor_dtype(site.base)).device(site.base.device());
  return finish(shape, config, site, at::zeros({shape.rank, site.base.in_features()}, options),
                at::zeros({site.base.out_features(), shape.rank}, options));
}

}  // namespace svtune
