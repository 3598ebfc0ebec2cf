#include "quant/low_rank_quant.h"

#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "linalg/svd.h"
#include "linalg/torch_pch.h"

namespace svtune {
namespace {

struct Factors {
  at::Tensor up, down;
  at::Tensor product() const { return at::mm(up, down); }
};

Factors decompose(const at::Tensor& matrix, const LowRankQuantOptions& options) {
  TruncatedSvdOptions svd_options;
  svd_options.seed = options.seed;
  const TruncatedSvd svd = truncated_svd(matrix, options.rank, svd_options);
  const at::Tensor root = svd.S.sqrt();
  return {(svd.U * root).contiguous(), (svd.V * root).t().contiguous()};
}

double norm_of(const at::Tensor& matrix) {
  return std::sqrt(matrix.square().sum(at::kDouble).item<double>());
}

// One pair of the loop: the matrix as rounded, and the factors beside it.
struct Round {
  QuantizedMatrix quantized;
  Factors factors;
  double error;
};

Round make_round(const at::Tensor& weight, QuantizedMatrix quantized, Factors factors) {
  const at::Tensor rest = weight - quantized.dequantize(at::kFloat);
  const double error = norm_of(rest - factors.product());
  return {std::move(quantized), std::move(factors), error};
}

Round next_round(const at::Tensor& weight, const std::optional<Round>& last,
                 const LowRankQuantOptions& options) {
  if (options.method == LowRankQuantMethod::kQpissa) {
    const at::Tensor rest =
        last ? weight - last->quantized.dequantize(at::kFloat) : weight;
    Factors factors = decompose(rest, options);
    QuantizedMatrix quantized = quantize(weight - factors.product(), options.quant);
    return make_round(weight, std::move(quantized), std::move(factors));
  }
  QuantizedMatrix quantized =
      quantize(last ? weight - last->factors.product() : weight, options.quant);
  Factors factors = decompose(weight - quantized.dequantize(at::kFloat), options);
  return make_round(weight, std::move(quantized), std::move(factors));
}

LowRankQuant finish(Round round, std::vector<double> errors) {
  return {std::move(round.quantized), std::move(round.factors.up), std::move(round.factors.down),
          std::move(errors), round.error};
}

}  // namespace

LowRankQuant quantize_with_low_rank(const at::Tensor& weight, const LowRankQuantOptions& options) {
  const at::NoGradGuard no_grad;
  if (options.method == LowRankQuantMethod::kPlain) {
    QuantizedMatrix quantized = quantize(weight, options.quant);
    const double error = norm_of(weight.to(at::kFloat) - quantized.dequantize(at::kFloat));
    return {std::move(quantized), {}, {}, {error}, error};
  }
  if (options.iterations < 1) throw std::invalid_argument("[quantize_with_low_rank] iterations");
  const at::Tensor exact = weight.to(at::kFloat);
  std::optional<Round> last, best;
  std::vector<double> errors;
  for (std::int64_t i = 0; i < options.iterations; ++i) {
    last = next_round(exact, last, options);
    errors.push_back(last->error);
    const bool better = !best || last->error < best->error;
    if (better || !options.keep_best) best = last;
    if (!better && options.keep_best) break;
  }
  if (options.refit && options.method == LowRankQuantMethod::kQpissa) {
    Factors factors = decompose(exact - best->quantized.dequantize(at::kFloat), options);
    Round refitted = make_round(exact, best->quantized, std::move(factors));
    if (refitted.error < best->error) best = std::move(refitted);
  }
  return finish(std::move(*best), std::move(errors));
}

}  // namespace svtune
