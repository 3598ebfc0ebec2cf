#include "spectrum/spectrum.h"

#include <algorithm>

#include "libtorch/prelude.h"
#include "linalg/parallel.h"
#include "linalg/svd_cache.h"
#include "linalg/weight_errors.h"
#include "quant/quantized_matrix.h"
#include "spectrum/shares.h"

namespace svtune {
namespace {

// Share of the entries in each bin, divided by the bin's width: a density over the range; what
// lies outside of it is missing from the sum.
std::vector<double> density_of(const at::Tensor& matrix, double deviation) {
  const at::Tensor counts = at::zeros({kHistogramBins}, at::kLong);
  std::int64_t* bins = counts.mutable_data_ptr<std::int64_t>();
  const at::Tensor dense = matrix.contiguous();
  const float* values = dense.const_data_ptr<float>();
  const double bins_per_unit = static_cast<double>(kHistogramBins) / (2 * kHistogramReach);
  for (std::int64_t i = 0; i < dense.numel(); ++i) {
    const double place = (values[i] / deviation + kHistogramReach) * bins_per_unit;
    if (place >= 0 && place < static_cast<double>(kHistogramBins)) {
      ++bins[static_cast<std::int64_t>(place)];
    }
  }
  std::vector<double> density;
  for (std::int64_t i = 0; i < kHistogramBins; ++i) {
    density.push_back(static_cast<double>(bins[i]) * bins_per_unit /
                      static_cast<double>(dense.numel()));
  }
  return density;
}

double nf4_error(const at::Tensor& weight) {
  const double norm = norm_of(weight);
  if (norm == 0) return 0;
  return norm_of(quantize(weight, QuantConfig{}).dequantize(at::kFloat) - weight) / norm;
}

}  // namespace

SpectrumLayer analyse_weight(const at::Tensor& weight, const at::Tensor& change,
                             const SpectrumOptions& options) {
  const ThinSvd svd = full_svd(options.cache, weight);
  const at::Tensor dense = weight.to(at::kFloat);
  const std::int64_t rank = std::min(options.rank, svd.S.size(0));
  SpectrumLayer layer;
  layer.rows = weight.size(0);
  layer.columns = weight.size(1);
  const at::Tensor sigma = svd.S.to(at::kDouble).contiguous();
  layer.sigma.assign(sigma.const_data_ptr<double>(),
                     sigma.const_data_ptr<double>() + sigma.numel());
  const at::Tensor principal =
      at::mm(svd.U.narrow(1, 0, rank) * svd.S.narrow(0, 0, rank), svd.V.narrow(1, 0, rank).t());
  const at::Tensor residual = dense - principal;
  const double deviation =
      std::max(norm_of(dense) / std::sqrt(static_cast<double>(dense.numel())), 1e-30);
  layer.residual_scale = norm_of(residual) / std::max(norm_of(dense), 1e-30);
  layer.weight_density = density_of(dense, deviation);
  layer.residual_density = density_of(residual, deviation);
  layer.quantised_error = nf4_error(dense);
  if (change.defined()) {
    layer.update = update_shares(change, svd, rank);
    layer.update->relative_norm = norm_of(change) / std::max(norm_of(dense), 1e-30);
  }
  return layer;
}

namespace {

SpectrumLayer analyse_linear(const Linear& linear, const SpectrumOptions& options) {
  const at::Tensor weight = linear.base().dense();
  at::Tensor change;
  if (linear.adapter()) change = (linear.effective_weight() - weight).to(at::kFloat);
  SpectrumLayer layer =
      with_weight_name(linear.name(), [&] { return analyse_weight(weight, change, options); });
  layer.name = linear.name();
  return layer;
}

}  // namespace

std::vector<SpectrumLayer> analyse_spectrum(const Model& model, const SpectrumOptions& options) {
  std::vector<const Linear*> linears;
  for (const Linear* linear : model.net->linears()) {
    if (linear == &model.net->head() || model.is_made(*linear)) continue;
    if (linear->base().defined()) linears.push_back(linear);
  }
  const auto count = static_cast<std::int64_t>(linears.size());
  std::vector<SpectrumLayer> layers(linears.size());
  for_each_matrix(
      count, [&](std::int64_t i) { layers[i] = analyse_linear(*linears[i], options); },
      options.progress);
  return layers;
}

}  // namespace svtune
