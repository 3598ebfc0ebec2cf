#include "quant/low_rank_quant.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "linalg/parallel.h"
#include "linalg/svd.h"
#include "linalg/svd_prepare.h"
#include "linalg/torch_pch.h"
#include "linalg/warm_svd.h"
#include "quant/quantize_again.h"

namespace svtune {
namespace {

using detail::SearchEffort;

constexpr std::int64_t kTileRows = 256;
constexpr std::int64_t kRoundSteps = 1;  // of warm_svd within the rounds
constexpr std::int64_t kRefitSteps = 2;  // and in the end

struct Factors {
  at::Tensor up, down;  // [out, r], [r, in]
};

struct Round {
  QuantizedMatrix quantized;
  Factors factors;
  double error;
};

void for_each_row_tile(std::int64_t rows,
                       const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& work) {
  for_each_tile((rows + kTileRows - 1) / kTileRows, [&](std::int64_t i) {
    work(i, i * kTileRows, std::min(kTileRows, rows - i * kTileRows));
  });
}

// matrix - up · down
at::Tensor without_product(const at::Tensor& matrix, const Factors& factors) {
  at::Tensor rest = at::empty_like(matrix);
  for_each_row_tile(matrix.size(0), [&](std::int64_t, std::int64_t begin, std::int64_t size) {
    at::Tensor rows = rest.narrow(0, begin, size);
    at::addmm_out(rows, matrix.narrow(0, begin, size), factors.up.narrow(0, begin, size),
                  factors.down, 1, -1);
  });
  return rest;
}

// Frobenius norm, the same bits for any number of threads.
double norm_of(const at::Tensor& matrix) {
  std::vector<double> parts(static_cast<std::size_t>((matrix.size(0) + kTileRows - 1) / kTileRows));
  for_each_row_tile(matrix.size(0), [&](std::int64_t i, std::int64_t begin, std::int64_t size) {
    parts[static_cast<std::size_t>(i)] = detail::sum_of_squares(matrix.narrow(0, begin, size));
  });
  return std::sqrt(std::accumulate(parts.begin(), parts.end(), 0.0));
}

// The alternation of one matrix.
class Alternation {
 public:
  Alternation(const at::Tensor& weight, const LowRankQuantOptions& options)
      : options_(options), weight_(weight), rest_(weight) {}

  Round next(bool last) {
    const SearchEffort effort = last ? SearchEffort::kFull : SearchEffort::kQuick;
    if (options_.method == LowRankQuantMethod::kQpissa) {
      factors_ = decompose(kRoundSteps);
      const at::Tensor target = without_product(weight_, factors_);
      round_to_codes(target, effort);
      return {*quantized_, factors_, norm_of(target - dense_)};
    }
    round_to_codes(factors_.up.defined() ? without_product(weight_, factors_) : weight_, effort);
    factors_ = decompose(last ? kRefitSteps : kRoundSteps);
    return {*quantized_, factors_, norm_of(without_product(rest_, factors_))};
  }

  // Decomposes once more what the codes of `round` leave over.
  Round refit(const Round& round) {
    dense_ = round.quantized.dequantize(at::kFloat);
    rest_ = weight_ - dense_;
    Factors factors = decompose(kRefitSteps);
    const double error = norm_of(without_product(rest_, factors));
    return {round.quantized, std::move(factors), error};
  }

 private:
  void round_to_codes(const at::Tensor& target, SearchEffort effort) {
    quantized_ = quantized_ ? detail::quantize_again(target, options_.quant, *quantized_, effort)
                            : quantize(target, options_.quant);
    dense_ = quantized_->dequantize(at::kFloat);
    rest_ = weight_ - dense_;
  }

  // The leading part of rest_; the first time exactly, then from where it was.
  Factors decompose(std::int64_t steps) {
    if (options_.warm_start && subspace_.defined()) {
      WarmSvd svd = warm_svd(rest_, subspace_, {options_.rank, steps, options_.seed});
      subspace_ = svd.subspace;
      return split(svd.U, svd.S, svd.V);
    }
    TruncatedSvdOptions svd_options;
    svd_options.seed = options_.seed;
    const TruncatedSvd svd = truncated_svd(rest_, options_.rank, svd_options);
    subspace_ = weight_.size(0) < weight_.size(1) ? svd.U : svd.V;
    return split(svd.U, svd.S, svd.V);
  }

  static Factors split(const at::Tensor& U, const at::Tensor& S, const at::Tensor& V) {
    const at::Tensor root = S.sqrt();
    return {(U * root).contiguous(), (V * root).t().contiguous()};
  }

  const LowRankQuantOptions& options_;
  const at::Tensor weight_;  // fp32
  at::Tensor dense_;         // what the codes stand for
  at::Tensor rest_;          // weight_ - dense_
  at::Tensor subspace_;
  Factors factors_;
  std::optional<QuantizedMatrix> quantized_;
};

LowRankQuant finish(Round round, std::vector<double> errors) {
  return {std::move(round.quantized), std::move(round.factors.up), std::move(round.factors.down),
          std::move(errors), round.error};
}

LowRankQuant quantize_alone(const at::Tensor& weight, const LowRankQuantOptions& options) {
  QuantizedMatrix quantized = quantize(weight, options.quant);
  const double error = norm_of(weight.to(at::kFloat) - quantized.dequantize(at::kFloat));
  return {std::move(quantized), {}, {}, {error}, error};
}

}  // namespace

LowRankQuant quantize_with_low_rank(const at::Tensor& weight, const LowRankQuantOptions& options) {
  const c10::NoGradGuard no_grad;
  const SerialMath serial;
  if (options.method == LowRankQuantMethod::kPlain) return quantize_alone(weight, options);
  if (weight.dim() != 2 || weight.numel() == 0 || !weight.is_floating_point()) {
    throw std::invalid_argument("[quantize_with_low_rank] need a non-empty matrix of floats");
  }
  if (options.iterations < 1) {
    throw std::invalid_argument("[quantize_with_low_rank] got " +
                                std::to_string(options.iterations) + " iterations, need 1 or more");
  }
  Alternation alternation(weight.to(at::kFloat).contiguous(), options);
  std::optional<Round> best;
  std::vector<double> errors;
  for (std::int64_t i = 0; i < options.iterations; ++i) {
    Round round = alternation.next(i + 1 == options.iterations);
    errors.push_back(round.error);
    const bool better = !best || round.error < best->error;
    if (better || !options.keep_best) best = std::move(round);
    if (!better && options.keep_best) break;
  }
  if (options.refit && options.method == LowRankQuantMethod::kQpissa) {
    Round refitted = alternation.refit(*best);
    if (refitted.error < best->error) best = std::move(refitted);
  }
  return finish(std::move(*best), std::move(errors));
}

}  // namespace svtune
