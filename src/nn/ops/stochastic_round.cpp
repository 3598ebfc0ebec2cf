#include "nn/ops/stochastic_round.h"

#include <algorithm>

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
  if (!narrow || wide.scalar_type() != at::kFloat || wide.is_meta()) return wide.to(dtype);
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

at::Tensor rounded_sum(const at::Tensor& left, const at::Tensor& scale, const at::Tensor& right,
                       std::uint64_t seed) {
  const at::Tensor a = left.detach().contiguous();
  const at::Tensor b = right.defined() ? right.detach().contiguous() : at::Tensor();
  const at::Tensor s = scale.defined() ? scale.detach().contiguous() : at::Tensor();
  if (!a.is_cpu()) {
    at::Tensor wide = a.to(at::kFloat);
    if (s.defined()) wide = wide * s;
    return round_stochastically(b.defined() ? wide + b : wide, a.scalar_type(), seed);
  }
  at::Tensor out = at::empty(a.sizes(), a.options());
  const auto values = [](const at::Tensor& tensor) {
    return tensor.defined() ? static_cast<const kernels::Bf16*>(tensor.const_data_ptr()) : nullptr;
  };
  const kernels::ScaledSumArgs args{values(a), s.defined() ? s.const_data_ptr<float>() : nullptr,
                                    values(b), static_cast<std::uint16_t*>(out.mutable_data_ptr()),
                                    a.size(1)};
  const std::int64_t rows_per_task = std::max<std::int64_t>(1, kValuesPerTask / a.size(1));
  at::parallel_for(0, a.size(0), rows_per_task, [&](std::int64_t begin, std::int64_t end) {
    kernels::round_scaled_sum(args, begin, end, seed);
  });
  return out;
}

}  // namespace svtune
