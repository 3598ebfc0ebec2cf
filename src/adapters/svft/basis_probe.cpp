#include "adapters/svft/basis_probe.h"

#include <cmath>

#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr std::uint64_t kProbeSeed = 0x5356465450524F42;  // any fixed number
// Streams of it.
constexpr std::uint64_t kOmega = 1, kEntries = 2, kLeft = 4, kRight = 5;

at::Tensor fixed_normal(std::int64_t size, std::uint64_t stream) {
  Xoshiro256 random(kProbeSeed + stream);
  at::Tensor values = at::empty({size}, at::kFloat);
  float* data = values.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < size; ++i) data[i] = static_cast<float>(random.normal());
  return values;
}

// [size, kProbeSize] of 1 and -1.
at::Tensor fixed_signs(std::int64_t size, std::uint64_t stream) {
  Xoshiro256 random(kProbeSeed + stream);
  at::Tensor values = at::empty({size, kProbeSize}, at::kFloat);
  float* data = values.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint64_t bits = random.bounded(std::uint64_t{1} << kProbeSize);
    for (std::int64_t s = 0; s < kProbeSize; ++s) *data++ = (bits >> s) & 1 ? 1.0f : -1.0f;
  }
  return values;
}

}  // namespace

at::Tensor basis_probe(const SparsePattern& pattern, const at::Tensor& Uh, const at::Tensor& Vh) {
  const at::Tensor left = at::mm(Uh.to(at::kCPU, at::kFloat), fixed_signs(Uh.size(1), kLeft));
  const at::Tensor right = at::mm(Vh.to(at::kCPU, at::kFloat), fixed_signs(Vh.size(1), kRight));
  const at::Tensor entries = fixed_normal(pattern.count(), kEntries);
  return (left * pattern.apply(entries, right)).sum(0);
}

double probe_distance(const at::Tensor& a, const at::Tensor& b, std::int64_t count) {
  const double squares = (a - b).to(at::kDouble).square().mean().item<double>();
  return std::sqrt(squares / static_cast<double>(count));
}

at::Tensor old_basis_probe(const SparsePattern& pattern, const at::Tensor& Uh,
                           const at::Tensor& Vh) {
  const at::Tensor omega = fixed_normal(Vh.size(1), kOmega).unsqueeze(1);
  const at::Tensor inner = at::mm(Vh.to(at::kCPU, at::kFloat), omega);
  const at::Tensor mixed = pattern.apply(fixed_normal(pattern.count(), kEntries), inner);
  return at::mm(Uh.to(at::kCPU, at::kFloat).t(), mixed).squeeze(1);
}

}  // namespace svtune
