#include "models/language_head.h"

#include "libtorch/prelude.h"

namespace svtune {

at::Tensor LanguageHead::plain_weight(const at::Tensor& tied) const {
  if (output.adapter() != nullptr) return output.adapter()->plain_weight();
  return tied.defined() ? tied : output.base().dense();
}

at::Tensor LanguageHead::logits(const at::Tensor& rows, const at::Tensor& tied) {
  at::Tensor out = output.adapter() != nullptr
                       ? output.forward(rows)
                       : at::linear(rows, plain_weight(tied).to(rows.scalar_type()));
  if (out.scalar_type() != at::kDouble) out = out.to(at::kFloat);
  return cap_logits(out, spec);
}

at::Tensor LanguageHead::loss(const at::Tensor& rows, const at::Tensor& targets,
                              const at::Tensor& tied) {
  const at::Tensor weight = plain_weight(tied);
  if (weight.defined()) return cross_entropy_tiled(rows, weight, targets, spec);
  const at::Tensor all = at::log_softmax(logits(rows, tied), -1);
  return all.gather(1, targets.unsqueeze(1)).sum().neg();
}

at::Tensor LanguageHead::log_probs(const at::Tensor& rows, const at::Tensor& targets,
                                   const at::Tensor& tied) {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = plain_weight(tied);
  if (weight.defined()) return target_log_probs(rows, weight, targets, spec);
  return at::log_softmax(logits(rows, tied), -1).gather(1, targets.unsqueeze(1)).squeeze(1);
}

}  // namespace svtune
