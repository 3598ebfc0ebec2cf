// Output heads of encoders: labels of documents, or of tokens.
#pragma once

#include <optional>

#include "models/model_dropout.h"
#include "models/row_transform.h"
#include "nn/parts.h"

namespace svtune {

enum class HeadActivation { kTanh, kRelu, kGelu };

// What of a document's rows the head reads.
enum class Pooling {
  kFirst,         // the first row
  kMean,          // the mean of all
  kMeanOfOthers,  // the mean of those behind the first and the registers
  kFirstAndMean,  // the first, and beside it that of the others
};

// output(act(dense(x))) of each document's pooled rows: what transformers' models for sequence
// classification have on top, some of them under the name of a pooler. ModernBERT has `transform`
// in front of the output instead, image models neither.
struct DocumentHead {
  std::optional<RowTransform> transform = {};
  std::optional<Linear> dense = {};  // [width, width]
  Linear output;                     // [labels, width], of the pooled rows
  HeadActivation activation = HeadActivation::kTanh;
  Pooling pooling = Pooling::kFirst;

  // x [S, width] -> [S, labels] in fp32 (fp64 for fp64).
  at::Tensor logits(const at::Tensor& x, const PassDropout& dropout = {});
  // Sum of -log p(class), or of squared errors where there is one label; scalar, differentiable.
  // targets [S]: int64 classes, or fp32. Throws ModelError for others.
  at::Tensor loss(const at::Tensor& x, const at::Tensor& targets, const PassDropout& dropout);
  void parts(PartVisitor& visit);
};

// output(x) of each row, or output(transform(x)).
struct TokenHead {
  Linear output;  // [labels, hidden]
  std::optional<RowTransform> transform = {};

  // x [M, hidden] -> [M, labels] in fp32 (fp64 for fp64).
  at::Tensor logits(const at::Tensor& x, const PassDropout& dropout = {});
  // log p(class) per row [M], differentiable. targets [M] int64. Throws ModelError for classes
  // that the head does not have.
  at::Tensor log_probs(const at::Tensor& x, const at::Tensor& targets,
                       const PassDropout& dropout = {});
  void parts(PartVisitor& visit);
};

}  // namespace svtune
