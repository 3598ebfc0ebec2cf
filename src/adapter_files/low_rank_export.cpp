#include "adapter_files/low_rank_export.h"

#include <algorithm>

#include "adapter_files/peft_directory.h"
#include "base/errors.h"
#include "io/base_tensors.h"
#include "libtorch/prelude.h"
#include "linalg/lapack.h"
#include "linalg/svd.h"

namespace svtune {
namespace {

constexpr double kDenseTolerance = 1e-3;  // for methods without factors of their own

// How many of the descending singular values must stay.
std::int64_t kept_rank(const at::Tensor& squares, const Truncation& truncation) {
  const std::int64_t available = squares.size(0);
  std::int64_t rank = available;
  if (truncation.tolerance) {
    const double total = squares.sum().item<double>();
    const double allowed = total * *truncation.tolerance * *truncation.tolerance;
    double dropped = 0;
    while (rank > 0 && dropped + squares[rank - 1].item<double>() <= allowed) {
      dropped += squares[--rank].item<double>();
    }
  }
  // A LoRA has at least one component, be it zero.
  return std::clamp<std::int64_t>(std::min(rank, truncation.max_rank.value_or(available)), 1,
                                  available);
}

// Balanced factors of the leading triplets; all in fp64.
LowRankDelta cut(const at::Tensor& U, const at::Tensor& S, const at::Tensor& V,
                 const Truncation& truncation, double& error, double& norm) {
  const at::Tensor squares = S.square();
  const std::int64_t rank = kept_rank(squares, truncation);
  norm = std::sqrt(squares.sum().item<double>());
  error = std::sqrt(squares.narrow(0, rank, S.size(0) - rank).sum().item<double>());
  const at::Tensor root = S.narrow(0, 0, rank).sqrt();
  return {(V.narrow(1, 0, rank) * root).t().to(at::kFloat).contiguous(),
          (U.narrow(1, 0, rank) * root).to(at::kFloat).contiguous(), 1.0};
}

LowRankDelta cut_dense(const Model& model, const Linear& layer, const Truncation& truncation,
                       double& error, double& norm) {
  const at::Tensor base = base_tensor(model, layer.name() + ".weight", at::kFloat);
  const ThinSvd svd = full_svd(layer.adapter()->merged_weight(BaseWeight(base)) - base);
  return cut(svd.U.to(at::kDouble), svd.S.to(at::kDouble), svd.V.to(at::kDouble), truncation, error,
             norm);
}

LowRankDelta export_layer(const Model& model, const Linear& layer, const LoraExportOptions& options,
                          ExportedLayer& report) {
  Truncation truncation{options.tolerance, options.max_rank};
  std::optional<LowRankDelta> delta = layer.adapter()->low_rank_delta();
  double norm = 0;
  report.name = layer.name();
  if (!delta) {
    if (!truncation.tolerance && !truncation.max_rank) truncation.tolerance = kDenseTolerance;
    delta = cut_dense(model, layer, truncation, report.error, norm);
  } else if (truncation.tolerance || truncation.max_rank) {
    delta = recompress(*delta, truncation, report.error, norm);
  }
  report.rank = delta->down.size(0);
  report.relative_error = norm > 0 ? report.error / norm : 0;
  return *delta;
}

at::Tensor pad_to(const at::Tensor& factor, std::int64_t dimension, std::int64_t rank) {
  std::vector<std::int64_t> missing = factor.sizes().vec();
  missing[dimension] = rank - factor.size(dimension);
  return at::cat({factor, at::zeros(missing, factor.options())}, dimension);
}

// With the scale in them, as it is in B. PEFT gives every adapted layer one as soon as one has.
bool add_branch_biases(const AdapterSet& adapters, const std::string& name,
                       std::vector<NamedTensor>& tensors) {
  const std::vector<Linear*> layers = adapted_layers(adapters);
  const auto bias_of = [](const Linear* layer) { return layer->adapter()->output_bias(); };
  if (std::ranges::none_of(layers, [&](auto each) { return bias_of(each).defined(); }))
    return false;
  for (const Linear* layer : layers) {
    const at::Tensor bias = bias_of(layer);
    tensors.push_back({layer->name() + "." + name,
                       bias.defined() ? bias : at::zeros({layer->out_features()}, at::kFloat)});
  }
  return true;
}

}  // namespace

void require_adapters(const AdapterSet& adapters, const char* form) {
  if (!adapted_layers(adapters).empty()) return;
  throw UsageError(std::string("a fully trained model has no ") + form,
                   "Its model directory already holds everything; or merge it.");
}

LowRankDelta recompress(const LowRankDelta& delta, const Truncation& truncation, double& error,
                        double& norm) {
  const auto [Qb, Rb] = lapack::qr(delta.up.to(at::kDouble));
  const auto [Qa, Ra] = lapack::qr(delta.down.to(at::kDouble).t());
  const auto [P, S, Zh] = lapack::svd(at::mm(Rb, Ra.t()) * delta.scale);
  return cut(at::mm(Qb, P), S, at::mm(Qa, Zh.t()), truncation, error, norm);
}

LoraExportReport write_lora_export(const Model& model, const AdapterSet& adapters,
                                   const AdapterRecord& record,
                                   const std::filesystem::path& directory,
                                   const LoraExportOptions& options) {
  const at::NoGradGuard no_grad;
  require_adapters(adapters, "LoRA form");
  LoraExportReport report;
  std::vector<LowRankDelta> deltas;
  for (const Linear* layer : adapted_layers(adapters)) {
    deltas.push_back(export_layer(model, *layer, options, report.layers.emplace_back()));
    report.rank = std::max(report.rank, report.layers.back().rank);
    report.largest_relative_error =
        std::max(report.largest_relative_error, report.layers.back().relative_error);
  }
  PlainLowRankForm plain = plain_low_rank_form(report.rank);
  std::vector<NamedTensor> tensors = whole_tensors(adapters);
  for (std::size_t i = 0; i < deltas.size(); ++i) {
    const LowRankDelta& delta = deltas[i];
    const std::string layer = report.layers[i].name + ".";
    tensors.push_back({layer + plain.down, pad_to(delta.down, 0, report.rank)});
    tensors.push_back({layer + plain.up, pad_to(delta.up * delta.scale, 1, report.rank)});
  }
  report.branch_bias = add_branch_biases(adapters, plain.bias, tensors);
  if (report.branch_bias) plain.with_bias();
  report.modules_to_save = record.targets.modules_to_save;
  write_peft_directory(
      directory, {model, adapters, record.targets, model.path.string(), model.layer_replication},
      plain.form, std::move(tensors));
  return report;
}

}  // namespace svtune
