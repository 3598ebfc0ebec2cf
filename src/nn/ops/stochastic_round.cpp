#include "nn/ops/stochastic_round.h"

#include "base/hash.h"
#include "libtorch/prelude.h"
#include "nn/kernels/stochastic_round_kernels.h"

namespace svtune {
namespace {

constexpr std::int64_t kValuesPerTask = 1 << 15;

}  // namespace

std::uint64_t rounding_seed(std::uint64_t seed, std::string_view tensor) {
  return derive_seed(seed, "rounding", tensor);
}

at::Tensor round_stochastically(const at::Tensor& wide, at::ScalarType dtype, std::uint64_t seed) {
  const bool narrow = dtype == at::kBFloat16 || dtype == at::kHalf;
  if (!narrow || wide.scalar_type() != at::kFloat) return wide.to(dtype);
  const at::Tensor from = wide.detach().to(at::kCPU).contiguous();
  at::Tensor to = at::empty(from.sizes(), from.options().dtype(dtype));
  const float* values = from.const_data_ptr<float>();
  auto* bits = static_cast<std::uint16_t*>(to.mutable_data_ptr());
  const auto round = dtype == at::kHalf ? kernels::round_to_fp16 : kernels::round_to_bf16;
  at::parallel_for(0, from.numel(), kValuesPerTask, [&](std::int64_t begin, std::int64_t end) {
    round(values, bits, begin, end, seed);
  });
  return to.to(wide.device());
}

}  // namespace svtune
