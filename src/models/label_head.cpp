#include "models/label_head.h"

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

at::Tensor widened(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

at::Tensor activated(const at::Tensor& x, HeadActivation activation) {
  if (activation == HeadActivation::kTanh) return at::tanh(x);
  return activation == HeadActivation::kRelu ? at::relu(x) : at::gelu(x);
}

// log p(class) per row of `logits` [M, labels].
at::Tensor class_log_probs(const at::Tensor& logits, const at::Tensor& targets) {
  const std::int64_t labels = logits.size(1);
  if (targets.scalar_type() != at::kLong) {
    throw ModelError("the head has " + std::to_string(labels) +
                     " classes and learns from their numbers, not from fractions");
  }
  if (targets.numel() > 0) {
    const auto least = targets.min().item<std::int64_t>();
    const auto most = targets.max().item<std::int64_t>();
    if (least < 0 || most >= labels) {
      throw ModelError("class " + std::to_string(least < 0 ? least : most) +
                       " is learnt; the head has 0 to " + std::to_string(labels - 1));
    }
  }
  return at::log_softmax(logits, -1).gather(1, targets.unsqueeze(1)).squeeze(1);
}

}  // namespace

at::Tensor DocumentHead::logits(const at::Tensor& x, const PassDropout& dropout) {
  at::Tensor y = transform ? transform->forward(x) : x;
  if (dense) {
    const at::Tensor input = dropped(y, dropout.at(dropout.rates.head_input, "head input"));
    y = activated(dense->forward(input), activation);
  }
  return widened(output.forward(dropped(y, dropout.at(dropout.rates.head_output, "head output"))));
}

at::Tensor DocumentHead::loss(const at::Tensor& x, const at::Tensor& targets,
                              const PassDropout& dropout) {
  const at::Tensor rows = logits(x, dropout);
  if (rows.size(1) > 1) return -class_log_probs(rows, targets).sum();
  if (!at::isFloatingType(targets.scalar_type())) {
    throw ModelError("the head gives one number and learns from numbers, not from classes",
                     "Load the model with as many labels as there are classes.");
  }
  return (rows.squeeze(1) - targets.to(rows.scalar_type())).square().sum();
}

void DocumentHead::parts(PartVisitor& visit) {
  if (transform) transform->parts(visit);
  if (dense) visit(*dense);
  visit(output);
}

at::Tensor TokenHead::logits(const at::Tensor& x, const PassDropout& dropout) {
  const at::Tensor y = transform ? transform->forward(x) : x;
  return widened(output.forward(dropped(y, dropout.at(dropout.rates.head_output, "head output"))));
}

at::Tensor TokenHead::log_probs(const at::Tensor& x, const at::Tensor& targets,
                                const PassDropout& dropout) {
  return class_log_probs(logits(x, dropout), targets);
}

void TokenHead::parts(PartVisitor& visit) {
  if (transform) transform->parts(visit);
  visit(output);
}

}  // namespace svtune
