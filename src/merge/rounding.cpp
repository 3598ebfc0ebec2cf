#include "merge/rounding.h"

#include <cmath>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr double kEnough = 0.99;  // share of the update that nearest has to keep

// In pieces, because the products are formed in fp64.
KeptUpdate measure_kept(const at::Tensor& before, const at::Tensor& after,
                        const at::Tensor& written) {
  constexpr std::int64_t kPiece = 1 << 20;
  const at::Tensor from = before.reshape(-1), to = after.reshape(-1), got = written.reshape(-1);
  KeptUpdate sum;
  for (std::int64_t begin = 0; begin < from.numel(); begin += kPiece) {
    const std::int64_t count = std::min(kPiece, from.numel() - begin);
    const auto piece = [&](const at::Tensor& all) {
      return all.narrow(0, begin, count).to(at::kDouble);
    };
    const at::Tensor base = piece(from);
    const at::Tensor wanted = piece(to) - base, change = piece(got) - base;
    sum.add({at::dot(change, wanted).item<double>(), at::dot(wanted, wanted).item<double>(),
             (change - wanted).square().sum().item<double>()});
  }
  return sum;
}

}  // namespace

double KeptUpdate::relative_error() const { return wanted > 0 ? std::sqrt(error / wanted) : 0; }

void KeptUpdate::add(const KeptUpdate& other) {
  product += other.product;
  wanted += other.wanted;
  error += other.error;
}

RoundedWeight round_weight(const std::string& name, const at::Tensor& before,
                           const at::Tensor& after, at::ScalarType dtype,
                           const RoundingOptions& options) {
  const bool narrow = dtype == at::kBFloat16 || dtype == at::kHalf;
  RoundedWeight result;
  if (!narrow || options.mode != Rounding::kStochastic) {
    result.values = after.to(dtype).contiguous();
    result.kept = measure_kept(before, after, result.values);
    if (!narrow || options.mode == Rounding::kNearest || result.kept.share() >= kEnough) {
      return result;
    }
  }
  result.stochastic = true;
  result.values =
      round_stochastically(after.to(at::kFloat), dtype, rounding_seed(options.seed, name))
          .contiguous();
  result.kept = measure_kept(before, after, result.values);
  return result;
}

}  // namespace svtune
