#include "nn/ops/reference.h"

#include "libtorch/prelude.h"

namespace svtune::reference {
namespace {

// fp32 arithmetic for half types, the type itself otherwise.
at::Tensor widen(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, bool plus_one) {
  const at::Tensor wide = widen(x);
  const at::Tensor normed = wide * at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  if (plus_one) return (normed * (widen(weight) + 1.0)).to(x.scalar_type());
  return (widen(normed.to(x.scalar_type())) * widen(weight)).to(x.scalar_type());
}

at::Tensor activate(const at::Tensor& x, kernels::Activation activation) {
  using kernels::Activation;
  if (activation == Activation::kSilu) return at::silu(x);
  if (activation == Activation::kQuickGelu) {  // the others are one operation, rounded once
    const at::Tensor steep = widen(x) * kQuickGeluSteepness;
    return (at::silu(steep) / kQuickGeluSteepness).to(x.scalar_type());
  }
  return at::gelu(x, activation == Activation::kGeluTanh ? "tanh" : "none");
}

at::Tensor glu(const at::Tensor& gate, const at::Tensor& up, kernels::Activation activation) {
  return (activate(widen(gate), activation) * widen(up)).to(gate.scalar_type());
}

at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const at::Tensor wide = widen(x);
  const std::int64_t half = cos.size(-1);
  const at::Tensor first = wide.narrow(-1, 0, half);
  const at::Tensor second = wide.narrow(-1, half, half);
  const at::Tensor c = cos.to(wide.scalar_type()).unsqueeze(1);
  const at::Tensor s = sin.to(wide.scalar_type()).unsqueeze(1);
  const at::Tensor rest = wide.narrow(-1, 2 * half, x.size(-1) - 2 * half);
  return at::cat({first * c - second * s, second * c + first * s, rest}, -1).to(x.scalar_type());
}

}  // namespace svtune::reference
