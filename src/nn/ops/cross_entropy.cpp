#include "nn/ops/cross_entropy.h"

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/kernels/cross_entropy_kernels.h"
#include "nn/narrow_product.h"
#include "nn/ops/kernel_choice.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kTileElements = 1 << 24;  // logits alive at a time

template <class T>
void run_kernel(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& nll,
                const HeadSpec& spec, bool write_gradient) {
  const kernels::CrossEntropyArgs<T> args{static_cast<T*>(logits.mutable_data_ptr()),
                                          targets.const_data_ptr<std::int64_t>(),
                                          nll.mutable_data_ptr<float>(),
                                          logits.size(1),
                                          static_cast<float>(spec.logit_softcap),
                                          write_gradient};
  at::parallel_for(0, logits.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    kernels::cross_entropy_rows(args, begin, end);
  });
}

// Turns a tile of logits into its gradient in place (if asked) and fills nll.
void finish_tile(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& nll,
                 const HeadSpec& spec, bool write_gradient) {
  if (has_row_kernel(logits)) {
    if (logits.scalar_type() == at::kFloat) {
      run_kernel<float>(logits, targets, nll, spec, write_gradient);
    } else {
      run_kernel<kernels::Bf16>(logits, targets, nll, spec, write_gradient);
    }
    return;
  }
  const at::Tensor wide = logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
  const at::Tensor capped = cap_logits(wide, spec);
  const at::Tensor log_probs = at::log_softmax(capped, -1);
  const at::Tensor index = targets.unsqueeze(1);
  nll.copy_(log_probs.gather(1, index).squeeze(1).neg());
  if (!write_gradient) return;
  at::Tensor grad = log_probs.exp();
  grad.scatter_add_(1, index, at::full_like(index, -1, grad.options()));
  if (spec.logit_softcap > 0) grad.mul_(1.0 - (capped / spec.logit_softcap).square());
  logits.copy_(grad);
}

std::int64_t tile_rows(std::int64_t vocab) {
  return std::max<std::int64_t>(16, kTileElements / vocab);
}

at::ScalarType sum_dtype(const at::Tensor& hidden) {
  return hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Rows of the head that train apart, in the products' dtype; undefined when there are none.
struct RowsOfHead {
  at::Tensor ids, values;  // [n], [n, C]

  void put_into(const at::Tensor& logits, const at::Tensor& hidden) const {
    if (values.defined()) logits.index_copy_(1, ids, at::mm(hidden, values.t()));
  }
  // Takes their part out of a tile's gradient: the frozen rows have none.
  at::Tensor take_from(at::Tensor& gradient) const {
    if (!values.defined()) return {};
    at::Tensor part = gradient.index_select(1, ids);
    gradient.index_fill_(1, ids, 0);
    return part;
  }
};

// The head as products with `hidden` take it: a view where its dtype fits or is widened by them.
at::Tensor operand(const at::Tensor& weight, const at::Tensor& hidden) {
  const bool as_stored = is_narrower(weight.scalar_type(), hidden.scalar_type());
  return as_stored ? weight.detach() : weight.detach().to(hidden.scalar_type());
}

at::Tensor logits_of(const at::Tensor& rows, const at::Tensor& w) {
  return w.scalar_type() == rows.scalar_type() ? at::mm(rows, w.t()) : narrow_product(rows, w);
}

at::Tensor gradient_of_rows(const at::Tensor& grad, const at::Tensor& w) {
  return w.scalar_type() == grad.scalar_type() ? at::mm(grad, w)
                                               : narrow_product_transposed(grad, w);
}

struct TiledCrossEntropy : torch::autograd::Function<TiledCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& hidden,
                            const at::Tensor& weight, const std::optional<at::Tensor>& values,
                            const std::optional<at::Tensor>& ids, const at::Tensor& targets,
                            const HeadSpec& spec) {
    const at::Tensor row_values = values.value_or(at::Tensor()),
                     row_ids = ids.value_or(at::Tensor());
    const bool grad_hidden = hidden.requires_grad(), grad_weight = weight.requires_grad();
    const bool any_grad = grad_hidden || grad_weight || row_values.defined();
    const at::Tensor w = operand(weight, hidden);
    RowsOfHead own;
    if (row_values.defined()) own = {row_ids, row_values.detach().to(hidden.scalar_type())};
    at::Tensor d_hidden, d_weight, d_rows;
    if (own.values.defined()) d_rows = at::zeros_like(row_values);
    if (grad_hidden) d_hidden = at::empty_like(hidden);
    if (grad_weight) d_weight = at::zeros_like(weight);
    at::Tensor nll = at::empty({hidden.size(0)}, hidden.options().dtype(sum_dtype(hidden)));
    const std::int64_t step = tile_rows(w.size(0));
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += step) {
      const std::int64_t count = std::min(step, hidden.size(0) - begin);
      const at::Tensor rows = hidden.narrow(0, begin, count);
      at::Tensor logits = logits_of(rows, w);
      own.put_into(logits, rows);
      finish_tile(logits, targets.narrow(0, begin, count), nll.narrow(0, begin, count), spec,
                  any_grad);
      const at::Tensor of_rows = own.take_from(logits);
      if (grad_hidden) {
        at::Tensor part = gradient_of_rows(logits, w);
        if (of_rows.defined()) part.addmm_(of_rows, own.values);
        d_hidden.narrow(0, begin, count).copy_(part);
      }
      if (of_rows.defined()) d_rows.add_(at::mm(of_rows.t(), rows));
      if (grad_weight) d_weight.add_(at::mm(logits.t(), rows));
    }
    ctx->save_for_backward({d_hidden, d_weight, d_rows});
    return nll.sum();
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    variable_list result(6);
    for (int i = 0; i < 3; ++i) {
      if (saved[i].defined()) result[i] = saved[i] * grads[0].to(saved[i].scalar_type());
    }
    return result;
  }
};

}  // namespace

at::Tensor cross_entropy_tiled(const at::Tensor& hidden, const at::Tensor& weight,
                               const at::Tensor& targets, const HeadSpec& spec,
                               const TokenRows& rows) {
  const auto given = [](const at::Tensor& tensor) {
    return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
  };
  return TiledCrossEntropy::apply(hidden, weight, given(rows.values()), given(rows.ids()),
                                  targets.contiguous(), spec);
}

at::Tensor target_log_probs(const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& targets, const HeadSpec& spec,
                            const TokenRows& rows) {
  const at::Tensor w = operand(weight, hidden);
  const at::Tensor wanted = targets.contiguous();
  at::Tensor nll = at::empty({hidden.size(0)}, hidden.options().dtype(sum_dtype(hidden)));
  const std::int64_t step = tile_rows(w.size(0));
  for (std::int64_t begin = 0; begin < hidden.size(0); begin += step) {
    const std::int64_t count = std::min(step, hidden.size(0) - begin);
    const at::Tensor part = hidden.narrow(0, begin, count);
    at::Tensor logits = rows.in_logits(logits_of(part, w), part);
    finish_tile(logits, wanted.narrow(0, begin, count), nll.narrow(0, begin, count), spec, false);
  }
  return nll.neg_();
}

at::Tensor cap_logits(const at::Tensor& logits, const HeadSpec& spec) {
  if (spec.logit_softcap <= 0) return logits;
  return at::tanh(logits / spec.logit_softcap) * spec.logit_softcap;
}

}  // namespace svtune
