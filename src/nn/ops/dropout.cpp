#include "nn/ops/dropout.h"

#include <string>

#include "base/hash.h"
#include "base/random.h"
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

// 1 where a row's document stays, [N, 1].
at::Tensor kept_rows(const at::Tensor& x, std::span<const std::int32_t> offsets,
                     const Dropout& dropout) {
  at::Tensor kept = at::zeros({x.size(0), 1}, x.options().device(at::kCPU).dtype(at::kBool));
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    Xoshiro256 stream(dropout.at(static_cast<std::int64_t>(s)).seed);
    if (stream.uniform() < dropout.probability) continue;
    kept.narrow(0, offsets[s], offsets[s + 1] - offsets[s]).fill_(true);
  }
  return kept.to(x.device());
}

struct Dropped : torch::autograd::Function<Dropped> {
  // `kept` is of x's shape, or has one element for each row.
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& kept, double probability) {
    ctx->save_for_backward({kept});
    ctx->saved_data["scale"] = 1.0 / (1.0 - probability);
    return x.mul(kept).mul_(ctx->saved_data["scale"].toDouble());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const at::Tensor kept = ctx->get_saved_variables()[0];
    return {grads[0].mul(kept).mul_(ctx->saved_data["scale"].toDouble()), at::Tensor(),
            at::Tensor()};
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
  if (!dropout.active()) return x;
  return Dropped::apply(x, kept_elements(x, at::kBool, dropout), dropout.probability);
}

at::Tensor documents_dropped(const at::Tensor& x, std::span<const std::int32_t> offsets,
                             const Dropout& dropout) {
  if (!dropout.active()) return x;
  return Dropped::apply(x, kept_rows(x, offsets, dropout), dropout.probability);
}

}  // namespace svtune
