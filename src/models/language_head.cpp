#include "models/language_head.h"

#include <algorithm>

#include "libtorch/prelude.h"
#include "nn/narrow_product.h"
#include "nn/ops/recompute.h"
#include "nn/row_route.h"

namespace svtune {
namespace {

at::ScalarType wide_dtype(const at::Tensor& rows) {
  return rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// rows Wᵀ in the dtype of the rows.
at::Tensor product(const at::Tensor& rows, const at::Tensor& weight) {
  const at::ScalarType compute = rows.scalar_type();
  if (is_narrower(weight.scalar_type(), compute)) return BaseWeight(weight, compute).matmul(rows);
  return at::linear(rows, weight.to(compute));
}

template <class Body>
void for_each_tile(const at::Tensor& rows, const at::Tensor& targets, std::int64_t vocab,
                   const Body& body) {
  const std::int64_t step = std::max<std::int64_t>(16, kAdaptedTileElements / vocab);
  for (std::int64_t begin = 0; begin < rows.size(0); begin += step) {
    const std::int64_t count = std::min(step, rows.size(0) - begin);
    const RouteScope scope(narrowed_route(begin, count));
    body(rows.narrow(0, begin, count), targets.narrow(0, begin, count));
  }
}

}  // namespace

void LanguageHead::parts(PartVisitor& visit) {
  if (transform) transform->parts(visit);
  visit(output);
}

at::Tensor LanguageHead::plain_weight(const Embedding* tied) const {
  if (output.adapter() != nullptr) return output.adapter()->plain_weight();
  if (tied) return tied->weight();
  return output.base().quantized() ? output.base().dense() : output.base().stored();
}

at::Tensor LanguageHead::operator_weight(const Embedding* tied) const {
  return output.bias().defined() ? at::Tensor() : plain_weight(tied);
}

at::Tensor LanguageHead::logits(const at::Tensor& x, const Embedding* tied) {
  return word_logits(transformed(x), tied);
}

at::Tensor LanguageHead::word_logits(const at::Tensor& x, const Embedding* tied) {
  at::Tensor out;
  if (output.adapter() != nullptr) {
    out = output.forward(x);
  } else {
    out = rows_of(tied).in_logits(product(x, plain_weight(tied)), x);
    if (output.bias().defined()) out = out + output.bias().to(out.scalar_type());
  }
  if (out.scalar_type() != at::kDouble) out = out.to(at::kFloat);
  return cap_logits(out, spec);
}

at::Tensor LanguageHead::loss(const at::Tensor& hidden, const at::Tensor& targets,
                              const Embedding* tied) {
  const at::Tensor x = transformed(hidden);
  const at::Tensor weight = operator_weight(tied);
  if (weight.defined()) return cross_entropy_tiled(x, weight, targets, spec, rows_of(tied));
  at::Tensor sum = at::zeros({}, x.options().dtype(wide_dtype(x)));
  for_each_tile(x, targets, output.out_features(), [&](const at::Tensor& y, const at::Tensor& t) {
    const auto nll = [this, t, tied](const at::Tensor& tile) {
      return -adapted_log_probs(tile, t, tied).sum();
    };
    // An adapter may do anything with the product, so a tile's logits are made again in backward.
    sum = sum + (at::GradMode::is_enabled() ? recomputed(y, nll) : nll(y));
  });
  return sum;
}

at::Tensor LanguageHead::adapted_log_probs(const at::Tensor& x, const at::Tensor& targets,
                                           const Embedding* tied) {
  return at::log_softmax(word_logits(x, tied), -1).gather(1, targets.unsqueeze(1)).squeeze(1);
}

at::Tensor LanguageHead::log_probs(const at::Tensor& hidden, const at::Tensor& targets,
                                   const Embedding* tied) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = transformed(hidden);
  const at::Tensor weight = operator_weight(tied);
  if (weight.defined()) return target_log_probs(x, weight, targets, spec, rows_of(tied));
  std::vector<at::Tensor> list;
  for_each_tile(x, targets, output.out_features(), [&](const at::Tensor& y, const at::Tensor& t) {
    list.push_back(adapted_log_probs(y, t, tied));
  });
  return list.empty() ? at::zeros({0}, x.options().dtype(wide_dtype(x))) : at::cat(list);
}

}  // namespace svtune
