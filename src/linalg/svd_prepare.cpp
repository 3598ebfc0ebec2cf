#include "linalg/svd_prepare.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>

#include "base/errors.h"

namespace svtune::detail {
namespace {

// Outside this range of the largest entry, squares may overflow or lose small entries.
constexpr int kLargestExponent = 40;

std::string shape_of(const at::Tensor& weight) {
  return "[" + std::to_string(weight.size(0)) + ", " + std::to_string(weight.size(1)) + "]";
}

[[noreturn]] void throw_not_finite(const at::Tensor& weight) {
  const at::Tensor places = at::isfinite(weight).logical_not().nonzero();
  throw ModelError("weight " + shape_of(weight) + " has " + std::to_string(places.size(0)) +
                       " entries that are not finite, the first at row " +
                       std::to_string(places[0][0].item<std::int64_t>()) + ", column " +
                       std::to_string(places[0][1].item<std::int64_t>()),
                   "the checkpoint is damaged; download it again");
}

}  // namespace

PreparedWeight prepare_weight(const at::Tensor& weight) {
  if (!weight.defined() || weight.dim() != 2 || weight.numel() == 0 ||
      !weight.is_floating_point()) {
    throw std::invalid_argument("[svd] need a non-empty floating-point matrix [out, in]");
  }
  PreparedWeight prepared;
  prepared.weight = weight.detach().to(at::kCPU).contiguous();
  const auto [low, high] = at::aminmax(prepared.weight);
  const double largest =
      std::max(std::abs(low.to(at::kDouble).item<double>()), high.to(at::kDouble).item<double>());
  if (!std::isfinite(largest)) throw_not_finite(prepared.weight);
  prepared.zero = largest == 0;
  if (prepared.zero) return prepared;
  const int exponent = std::ilogb(largest);
  if (std::abs(exponent) > kLargestExponent) {
    prepared.scale = std::ldexp(1.0, exponent);
    // fp64 holds every input exactly; bf16 and fp16 would lose their subnormal entries.
    prepared.weight = prepared.weight.to(at::kDouble) * std::ldexp(1.0, -exponent);
  }
  return prepared;
}

double sum_of_squares(const at::Tensor& weight) {
  double total = 0;
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, weight.scalar_type(), "sum_of_squares", [&] {
        constexpr std::int64_t kLanes = 16;  // independent sums let the compiler vectorise
        const auto* values = weight.const_data_ptr<scalar_t>();
        std::array<double, kLanes> lanes{};
        const std::int64_t whole = weight.numel() / kLanes * kLanes;
        for (std::int64_t i = 0; i < whole; i += kLanes) {
          for (std::int64_t j = 0; j < kLanes; ++j) {
            const double value = static_cast<double>(values[i + j]);
            lanes[j] += value * value;
          }
        }
        for (std::int64_t i = whole; i < weight.numel(); ++i) {
          const double value = static_cast<double>(values[i]);
          lanes[0] += value * value;
        }
        total = std::accumulate(lanes.begin(), lanes.end(), 0.0);
      });
  return total;
}

void apply_sign_rule(at::Tensor& U, at::Tensor& V) {
  const at::Tensor peak = U.gather(0, U.abs().argmax(0, /*keepdim=*/true));  // [1, r]
  const at::Tensor sign = at::where(peak.lt(0), -1, 1).to(U.scalar_type());
  U.mul_(sign);
  V.mul_(sign);
}

}  // namespace svtune::detail
