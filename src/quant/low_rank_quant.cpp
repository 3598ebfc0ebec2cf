#include "quant/low_rank_quant.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "libtorch/prelude.h"
#include "linalg/parallel.h"
#include "linalg/svd.h"
#include "linalg/svd_prepare.h"
#include "linalg/warm_svd.h"
#include "quant/codebook.h"
#include "quant/kernels/block_kernels.h"
#include "quant/quantize_again.h"
#include "quant/task_size.h"

namespace svtune {
namespace {

using detail::SearchEffort;
using kernels::SquareSums;

constexpr std::int64_t kTileRows = 256;
constexpr double kEnoughLeft = 0.01;
// How hard a decomposition tries. The rounds repair each other: only the last must be good, and
// the only one.
constexpr WarmSvdOptions kFirst{.steps = 3, .rough = true};
constexpr WarmSvdOptions kBetween{.steps = 1, .rough = true};
constexpr WarmSvdOptions kLast{.steps = 2};

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

// out = matrix - up · down
void subtract_product(const at::Tensor& matrix, const Factors& factors, at::Tensor& out) {
  for_each_row_tile(matrix.size(0), [&](std::int64_t, std::int64_t begin, std::int64_t size) {
    at::Tensor rows = out.narrow(0, begin, size);
    at::addmm_out(rows, matrix.narrow(0, begin, size), factors.up.narrow(0, begin, size),
                  factors.down, 1, -1);
  });
}

// The same bits for any number of threads.
double sum_of_squares(const at::Tensor& matrix) {
  std::vector<double> parts(static_cast<std::size_t>((matrix.size(0) + kTileRows - 1) / kTileRows));
  for_each_row_tile(matrix.size(0), [&](std::int64_t i, std::int64_t begin, std::int64_t size) {
    parts[static_cast<std::size_t>(i)] = detail::sum_of_squares(matrix.narrow(0, begin, size));
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

// rest = weight - quantized; returns the sums for target - quantized and rest. All fp32,
// contiguous. Whole 4-bit blocks are read once.
SquareSums subtract_quantized(const QuantizedMatrix& quantized, const at::Tensor& weight,
                              const at::Tensor& target, at::Tensor& rest) {
  const QuantStorage& storage = quantized.storage();
  const std::int64_t count = weight.numel(), size = storage.block_size;
  if (storage.type == QuantType::kInt8 || count % size != 0) {
    const at::Tensor dense = quantized.dequantize(at::kFloat);
    at::sub_out(rest, weight, dense);
    return {sum_of_squares(target - dense), sum_of_squares(rest)};
  }
  const kernels::Codebook book = detail::codebook_of_map(storage.map.const_data_ptr<float>());
  const std::int64_t blocks = count / size;
  const std::int64_t step = std::max<std::int64_t>(1, kValuesPerTask / size);
  std::vector<SquareSums> parts(static_cast<std::size_t>((blocks + step - 1) / step));
  for_each_tile(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i) {
    const std::int64_t begin = i * step, first = begin * size;
    parts[static_cast<std::size_t>(i)] = kernels::block_kernels().subtract(
        book, storage.codes.const_data_ptr<std::uint8_t>() + first / 2,
        quantized.block_scales().const_data_ptr<float>() + begin, size,
        std::min(step, blocks - begin),
        {weight.const_data_ptr<float>() + first, target.const_data_ptr<float>() + first,
         rest.mutable_data_ptr<float>() + first});
  });
  return std::accumulate(parts.begin(), parts.end(), SquareSums{}, [](SquareSums a, SquareSums b) {
    return SquareSums{a.error + b.error, a.rest + b.rest};
  });
}

// The alternation of one matrix. Both methods quantise W less L·R and decompose the rest in
// turn; QPiSSA only begins with a decomposition of W, and without refit pairs the codes with
// the factors that they were made for.
class Alternation {
 public:
  Alternation(const at::Tensor& weight, const LowRankQuantOptions& options)
      : options_(options), weight_(weight), rest_(weight.clone()), target_(at::empty_like(weight)) {
    if (options.start == QuantStart::kQpissa) factors_ = decompose(/*last=*/false);
  }

  Round next(bool last, double momentum) {
    set_target(momentum);
    const SearchEffort effort = last ? SearchEffort::kFull : SearchEffort::kQuick;
    const QuantizedMatrix quantized = detail::quantize_again(
        target_, options_.quant, quantized_ ? &*quantized_ : nullptr, effort);
    quantized_ = quantized;
    const SquareSums sums = subtract_quantized(quantized, weight_, target_, rest_);
    const bool ends_here = options_.start == QuantStart::kQpissa && !options_.refit;
    Round round{quantized, factors_, std::sqrt(sums.error)};
    if (ends_here && last) return round;
    previous_ = factors_;
    factors_ = decompose(last);
    if (ends_here) return round;
    return {quantized, factors_, std::sqrt(left_over(sums.rest))};
  }

 private:
  // What the next codes are for: weight_ - L·R, and further by `momentum` times its last change.
  void set_target(double momentum) {
    if (!factors_.up.defined()) {
      target_.copy_(weight_);
      return;
    }
    if (momentum == 0 || !previous_.up.defined()) {
      subtract_product(weight_, factors_, target_);
      return;
    }
    const Factors moved{at::cat({factors_.up * (1 + momentum), previous_.up * -momentum}, 1),
                        at::cat({factors_.down, previous_.down}, 0)};
    subtract_product(weight_, moved, target_);
  }

  // ‖rest_ - L·R‖², of ‖rest_‖². L·R is a projection of rest_, so the squares subtract, unless
  // too little is left for fp32 singular values.
  double left_over(double rest) {
    const double difference = rest - energy_;
    if (difference > kEnoughLeft * rest) return difference;
    subtract_product(rest_, factors_, target_);
    return sum_of_squares(target_);
  }

  // The leading part of rest_, from where it was; exactly where nothing follows or is known.
  Factors decompose(bool last) {
    const bool alone = options_.iterations == 1 && !subspace_.defined();
    if (options_.warm_start && !alone) {
      WarmSvdOptions how = subspace_.defined() ? kBetween : kFirst;
      if (last) how = kLast;
      how.rank = options_.rank;
      how.seed = options_.seed;
      WarmSvd svd = warm_svd(rest_, subspace_, how);
      subspace_ = svd.subspace;
      return split(svd.U, svd.S, svd.V);
    }
    TruncatedSvdOptions svd_options;
    svd_options.seed = options_.seed;
    const TruncatedSvd svd = truncated_svd(rest_, options_.rank, svd_options);
    subspace_ = weight_.size(0) < weight_.size(1) ? svd.U : svd.V;
    return split(svd.U, svd.S, svd.V);
  }

  Factors split(const at::Tensor& U, const at::Tensor& S, const at::Tensor& V) {
    energy_ = S.to(at::kDouble).square().sum().item<double>();
    const at::Tensor root = S.sqrt();
    return {(U * root).contiguous(), (V * root).t().contiguous()};
  }

  const LowRankQuantOptions& options_;
  const at::Tensor weight_;  // fp32
  at::Tensor rest_;          // weight_ less what the codes stand for
  at::Tensor target_;        // what is quantised next, and scratch
  at::Tensor subspace_;
  double energy_ = 0;           // of the last decomposition, Σσ²
  Factors factors_, previous_;  // of the last two decompositions
  std::optional<QuantizedMatrix> quantized_;
};

LowRankQuant finish(Round round, std::vector<double> errors) {
  return {std::move(round.quantized), std::move(round.factors.up), std::move(round.factors.down),
          std::move(errors), round.error};
}

LowRankQuant quantize_alone(const at::Tensor& weight, const LowRankQuantOptions& options) {
  QuantizedMatrix quantized = quantize(weight, options.quant);
  const double error =
      std::sqrt(sum_of_squares(weight.to(at::kFloat) - quantized.dequantize(at::kFloat)));
  return {std::move(quantized), {}, {}, {error}, error};
}

}  // namespace

LowRankQuant quantize_with_low_rank(const at::Tensor& weight, const LowRankQuantOptions& options) {
  const c10::NoGradGuard no_grad;
  const SerialMath serial;
  if (options.start == QuantStart::kNone) return quantize_alone(weight, options);
  if (weight.dim() != 2 || weight.numel() == 0 || !weight.is_floating_point()) {
    throw std::invalid_argument("[quantize_with_low_rank] need a non-empty matrix of floats");
  }
  if (options.iterations < 1) {
    throw std::invalid_argument("[quantize_with_low_rank] got " +
                                std::to_string(options.iterations) + " iterations, need 1 or more");
  }
  Alternation alternation(weight.to(at::kFloat).contiguous(), options);
  double momentum = options.keep_best ? options.momentum : 0;
  Round best = alternation.next(options.iterations == 1, momentum);
  std::vector<double> errors = {best.error};
  for (std::int64_t i = 1; i < options.iterations; ++i) {
    Round round = alternation.next(i + 1 == options.iterations, momentum);
    errors.push_back(round.error);
    if (round.error < best.error || !options.keep_best) {
      best = std::move(round);
      continue;
    }
    if (momentum == 0) break;
    momentum = 0;  // it has gone too far: settle from here
  }
  return finish(std::move(best), std::move(errors));
}

}  // namespace svtune
