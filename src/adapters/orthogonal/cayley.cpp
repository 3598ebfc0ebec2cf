#include "adapters/orthogonal/cayley.h"

#include <vector>

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "linalg/small_inverse.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// (1 + Q)⁻¹ in fp64. The symmetric part of 1 + Q is the identity, so that no pivot falls below 1.
at::Tensor inverse_of_shifted(const at::Tensor& Q) {
  const std::int64_t blocks = Q.size(0), b = Q.size(1);
  const at::Tensor M =
      (Q.detach().to(at::kCPU, at::kDouble) + at::eye(b, at::kDouble)).contiguous();
  double* data = M.mutable_data_ptr<double>();
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) invert_positive(data + k * b * b, b);
  });
  return M.to(Q.device());
}

// With K = (1 + Q)⁻¹: R − 1 = −2 Q K and dR = −2 K dQ K.
struct CayleyChange : torch::autograd::Function<CayleyChange> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& Q) {
    const at::Tensor K = inverse_of_shifted(Q);
    ctx->save_for_backward({K});
    return at::bmm(Q.to(at::kDouble), K).mul_(-2).to(Q.scalar_type());
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor Kt = ctx->get_saved_variables()[0].transpose(1, 2);
    const at::Tensor grad = at::bmm(at::bmm(Kt, grads[0].to(at::kDouble)), Kt).mul_(-2);
    return {grad.to(grads[0].scalar_type())};
  }
};

at::Tensor upper_indices(std::int64_t b) {
  std::vector<std::int64_t> flat;
  for (std::int64_t i = 0; i < b; ++i) {
    for (std::int64_t j = i + 1; j < b; ++j) flat.push_back(i * b + j);
  }
  return at::tensor(flat, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

at::Tensor skew_from_upper(const at::Tensor& upper, std::int64_t b) {
  const std::int64_t blocks = upper.size(0);
  const at::Tensor indices = upper_indices(b).to(upper.device());
  const at::Tensor filled =
      at::index_copy(at::zeros({blocks, b * b}, upper.options().requires_grad(false)), 1, indices,
                     upper)
          .view({blocks, b, b});
  return filled - filled.transpose(1, 2);
}

at::Tensor cayley_change(const at::Tensor& Q) { return CayleyChange::apply(Q); }

at::Tensor neumann_change(const at::Tensor& Q, std::int64_t terms) {
  if (terms <= 1) return Q * 0;
  at::Tensor sum = Q * 2;
  if (terms == 2) return sum;
  at::Tensor power = at::bmm(Q, Q);
  sum = sum + power * 2;
  for (std::int64_t i = 3; i < terms - 1; ++i) {
    power = at::bmm(power, Q);
    sum = sum + power * 2;
  }
  return sum + at::bmm(power, Q);
}

}  // namespace svtune
