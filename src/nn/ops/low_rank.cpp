#include "nn/ops/low_rank.h"

#include <algorithm>
#include <utility>

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/thin_products.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the passes need of a layer, without its leaves.
struct Layer {
  BaseWeight base;
  LowRankFactors factors;
  std::int64_t rank = 0;   // of A and B
  std::int64_t first = 0;  // of its columns among those of all hidden rows
  at::ScalarType factor_dtype = at::kFloat;
  at::Tensor bias;  // times the scale, or undefined

  std::int64_t thickness() const { return factors.down.size(0); }
  at::Tensor columns_of(const at::Tensor& hidden) const {
    return hidden.narrow(1, first, thickness());
  }
};

// Carries the layers from forward to backward.
struct LayersHolder : torch::CustomClassHolder {
  std::vector<Layer> layers;
  at::Tensor down;  // of all layers, one below the other

  std::int64_t thickness() const { return down.size(0); }
};

c10::intrusive_ptr<LayersHolder> holder_of(const std::vector<LowRankLayer>& layers) {
  auto holder = c10::make_intrusive<LayersHolder>();
  std::vector<at::Tensor> downs;
  std::int64_t first = 0;
  for (const LowRankLayer& each : layers) {
    const auto& [factors, leaves, mask] = each.terms;
    const at::Tensor bias =
        leaves.bias.defined() ? leaves.bias.detach() * factors.scale : at::Tensor();
    holder->layers.push_back(
        {each.base, factors, leaves.A.size(0), first, leaves.A.scalar_type(), bias});
    downs.push_back(factors.down);
    first += factors.down.size(0);
  }
  holder->down = downs.size() == 1 ? downs.front() : at::cat(downs, 0);
  return holder;
}

bool any_defined(at::TensorList list) {
  return std::ranges::any_of(list, [](const at::Tensor& each) { return each.defined(); });
}

// dL/d(hidden rows' trained part): it flows through both copies of A in `down`.
at::Tensor grad_of_down(const Layer& layer, const at::Tensor& grad_hidden) {
  const at::Tensor own = layer.columns_of(grad_hidden).narrow(1, 0, layer.rank);
  if (!layer.factors.paired) return own;
  return own + layer.columns_of(grad_hidden).narrow(1, layer.rank, layer.rank);
}

// One backward pass; the masks are all undefined or not.
struct Gradients {
  const std::vector<Layer>& layers;
  const at::Tensor& down;
  const at::Tensor& x;
  const at::Tensor& hidden;
  const at::Tensor* masks;  // one for each layer, or null: no dropout
  const variable_list& grads;
  at::Tensor grad_hidden = {};

  void find_grad_hidden() {
    grad_hidden = at::empty_like(hidden);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const LowRankFactors& factors = layers[i].factors;
      to_thin(layers[i].columns_of(grad_hidden), grads[i], factors.up, factors.scale);
    }
  }

  at::Tensor of_B(std::size_t i) const {
    const Layer& layer = layers[i];
    const at::Tensor product =
        thin_gram(layer.columns_of(hidden).narrow(1, 0, layer.rank), grads[i]);
    return product.to(layer.factor_dtype).mul_(layer.factors.scale).t();
  }

  at::Tensor of_bias(std::size_t i) const {
    return grads[i]
        .sum({0}, /*keepdim=*/false, layers[i].factor_dtype)
        .mul_(layers[i].factors.scale);
  }

  std::vector<at::Tensor> of_A() const {
    std::vector<at::Tensor> parts, result;
    for (const Layer& layer : layers) parts.push_back(grad_of_down(layer, grad_hidden));
    if (masks != nullptr) {
      for (std::size_t i = 0; i < layers.size(); ++i) {
        const at::Tensor input = masks[i].defined() ? x * masks[i] : x;
        result.push_back(thin_gram(parts[i], input).to(layers[i].factor_dtype));
      }
      return result;
    }
    const at::Tensor all = thin_gram(parts.size() == 1 ? parts.front() : at::cat(parts, 1), x);
    std::int64_t first = 0;
    for (const Layer& layer : layers) {
      result.push_back(all.narrow(0, first, layer.rank).to(layer.factor_dtype));
      first += layer.rank;
    }
    return result;
  }

  at::Tensor of_x() const {
    if (masks == nullptr) {
      at::Tensor sum =
          layers.front().base.matmul_transposed(grads[0], {.left = grad_hidden, .right = down});
      for (std::size_t i = 1; i < layers.size(); ++i) {
        layers[i].base.add_matmul_transposed(sum, grads[i]);
      }
      return sum;
    }
    at::Tensor sum;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const at::Tensor part =
          layers[i].base.matmul_transposed(grads[i], {.left = layers[i].columns_of(grad_hidden),
                                                      .right = layers[i].factors.down,
                                                      .mask = masks[i]});
      sum = sum.defined() ? sum.add_(part) : part;
    }
    return sum;
  }
};

struct LowRankLinears : torch::autograd::Function<LowRankLinears> {
  // `leaves`: A, B and, where there is one, the bias of each layer in turn.
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, at::TensorList leaves,
                               const c10::intrusive_ptr<LayersHolder>& holder,
                               const std::vector<at::Tensor>& masks) {
    (void)leaves;
    const bool masked = any_defined(masks);
    const at::Tensor hidden = at::empty({x.size(0), holder->thickness()}, x.options());
    if (!masked) to_thin(hidden, x, holder->down.t());
    variable_list outputs;
    for (std::size_t i = 0; i < holder->layers.size(); ++i) {
      const Layer& layer = holder->layers[i];
      const LowRankFactors& factors = layer.factors;
      if (masked) {
        to_thin(layer.columns_of(hidden), masks[i].defined() ? x * masks[i] : x, factors.down.t());
      }
      outputs.push_back(layer.base.matmul(x, {.left = layer.columns_of(hidden),
                                              .right = factors.up.t(),
                                              .scale = factors.scale,
                                              .bias = layer.bias}));
    }
    variable_list saved{x, hidden};
    if (masked) saved.insert(saved.end(), masks.begin(), masks.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["layers"] = c10::IValue::make_capsule(holder);
    ctx->saved_data["grad_x"] = x.requires_grad();
    return outputs;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const auto holder =
        c10::static_intrusive_pointer_cast<LayersHolder>(ctx->saved_data["layers"].toCapsule());
    for (at::Tensor& grad : grads) grad = grad.contiguous();
    Gradients gradients{.layers = holder->layers,
                        .down = holder->down,
                        .x = saved[0],
                        .hidden = saved[1],
                        .masks = saved.size() > 2 ? &saved[2] : nullptr,
                        .grads = grads};
    gradients.find_grad_hidden();
    const std::vector<at::Tensor> of_A = gradients.of_A();
    variable_list result{ctx->saved_data["grad_x"].toBool() ? gradients.of_x() : at::Tensor()};
    for (std::size_t i = 0; i < holder->layers.size(); ++i) {
      result.push_back(of_A[i]);
      result.push_back(gradients.of_B(i));
      if (holder->layers[i].bias.defined()) result.push_back(gradients.of_bias(i));
    }
    result.resize(result.size() + 2);  // the layers and the masks
    return result;
  }
};

struct TrainableLinear : torch::autograd::Function<TrainableLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& leaf,
                            const at::Tensor& copy) {
    ctx->save_for_backward({x, copy});
    ctx->saved_data["grad_x"] = x.requires_grad();
    ctx->saved_data["leaf_dtype"] = leaf.scalar_type();
    return at::linear(x, copy);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    at::Tensor grad_x;
    if (ctx->saved_data["grad_x"].toBool()) grad_x = at::mm(grads[0], saved[1]);
    const at::Tensor grad_w = at::mm(grads[0].t(), saved[0]);
    return {grad_x, grad_w.to(ctx->saved_data["leaf_dtype"].toScalarType()), at::Tensor()};
  }
};

}  // namespace

at::Tensor low_rank_linear(const at::Tensor& x, const BaseWeight& base,
                           const LowRankFactors& factors, const LowRankLeaves& leaves,
                           const at::Tensor& dropout_mask) {
  return low_rank_linears(x, {{base, {factors, leaves, dropout_mask}}}).front();
}

std::vector<at::Tensor> low_rank_linears(const at::Tensor& x,
                                         const std::vector<LowRankLayer>& layers) {
  std::vector<at::Tensor> leaves, masks;
  for (const LowRankLayer& each : layers) {
    leaves.push_back(each.terms.leaves.A);
    leaves.push_back(each.terms.leaves.B);
    if (each.terms.leaves.bias.defined()) leaves.push_back(each.terms.leaves.bias);
    masks.push_back(each.terms.dropout_mask);
  }
  return LowRankLinears::apply(x, at::TensorList(leaves), holder_of(layers), masks);
}

at::Tensor trainable_linear(const at::Tensor& x, const at::Tensor& compute_copy,
                            const at::Tensor& leaf) {
  return TrainableLinear::apply(x, leaf, compute_copy);
}

}  // namespace svtune
