// Output heads of encoders: labels of documents, or of tokens.
#pragma once

#include "nn/parts.h"

namespace svtune {

enum class HeadActivation { kTanh, kRelu, kGelu };

// output(act(dense(x))) of each document's first row: what transformers' models for sequence
// classification have on top, some of them under the name of a pooler.
struct DocumentHead {
  Linear dense;   // [hidden, hidden]
  Linear output;  // [labels, hidden]
  HeadActivation activation = HeadActivation::kTanh;

  // x [S, hidden] -> [S, labels] in fp32 (fp64 for fp64).
  at::Tensor logits(const at::Tensor& x);
  // Sum of -log p(class), or of squared errors where there is one label; scalar, differentiable.
  // targets [S]: int64 classes, or fp32. Throws ModelError for others.
  at::Tensor loss(const at::Tensor& x, const at::Tensor& targets);
  void parts(PartVisitor& visit);
};

// output(x) of each row.
struct TokenHead {
  Linear output;  // [labels, hidden]

  // x [M, hidden] -> [M, labels] in fp32 (fp64 for fp64).
  at::Tensor logits(const at::Tensor& x);
  // log p(class) per row [M], differentiable. targets [M] int64. Throws ModelError for classes
  // that the head does not have.
  at::Tensor log_probs(const at::Tensor& x, const at::Tensor& targets);
  void parts(PartVisitor& visit) { visit(output); }
};

}  // namespace svtune
