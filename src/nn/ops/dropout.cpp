#include "nn/ops/dropout.h"

#include <string>

#include "base/hash.h"
#include "libtorch/autograd.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// 1 where an element stays, of x's shape.
at::Tensor kept_elements(const at::Tensor& x, at::ScalarType dtype, const Dropout& dropout) {
  const at::Generator generator = at::detail::createCPUGenerator(dropout.seed);
  return at::empty(x.sizes(), x.options().device(at::kCPU).dtype(dtype))
      .bernoulli_(1.0 - dropout.probability, generator)
      .to(x.device());
}

struct Dropped : torch::autograd::Function<Dropped> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const Dropout& dropout) {
    const at::Tensor kept = kept_elements(x, at::kBool, dropout);
    ctx->save_for_backward({kept});
    ctx->saved_data["scale"] = 1.0 / (1.0 - dropout.probability);
    return x.mul(kept).mul_(ctx->saved_data["scale"].toDouble());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const at::Tensor kept = ctx->get_saved_variables()[0];
    return {grads[0].mul(kept).mul_(ctx->saved_data["scale"].toDouble()), at::Tensor()};
  }
};

}  // namespace

Dropout Dropout::at(std::int64_t part) const {
  if (!active()) return {};
  return {probability, derive_seed(seed, "part", std::to_string(part))};
}

at::Tensor dropout_mask(const at::Tensor& x, const Dropout& dropout) {
  return kept_elements(x, x.scalar_type(), dropout).div_(1.0 - dropout.probability);
}

at::Tensor dropped(const at::Tensor& x, const Dropout& dropout) {
  return dropout.active() ? Dropped::apply(x, dropout) : x;
}

}  // namespace svtune
