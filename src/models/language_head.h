// The output head of a language model, masked ones included: hidden rows to logits, losses,
// probabilities.
#pragma once

#include <optional>

#include "models/row_transform.h"
#include "nn/ops/cross_entropy.h"
#include "nn/parts.h"

namespace svtune {

// Logits of a head with an adapter that are alive at a time, about; they exist in fp32 beside the
// compute dtype, with their gradient.
inline constexpr std::int64_t kAdaptedTileElements = 1 << 22;

// A head that reads the embedding's matrix is handed it with every call; null otherwise.
struct LanguageHead {
  Linear output;  // [vocab, hidden]
  HeadSpec spec;
  TokenRows rows = {};                         // of its own matrix, that train apart
  std::optional<RowTransform> transform = {};  // of those that find hidden words

  // x [M, hidden] after the final norm -> [M, vocab] in fp32 (fp64 for fp64).
  at::Tensor logits(const at::Tensor& x, const Embedding* tied);
  // Sum of -log p(target) over the rows; scalar, differentiable. targets [M] int64.
  at::Tensor loss(const at::Tensor& x, const at::Tensor& targets, const Embedding* tied);
  // log p(target) per row [M], fp32, no gradient.
  at::Tensor log_probs(const at::Tensor& x, const at::Tensor& targets, const Embedding* tied);
  void parts(PartVisitor& visit);

 private:
  at::Tensor transformed(const at::Tensor& x) { return transform ? transform->forward(x) : x; }
  // The logits of transformed rows.
  at::Tensor word_logits(const at::Tensor& x, const Embedding* tied);
  // log p(target) per row of one tile, with whatever adapter or bias the head has.
  at::Tensor adapted_log_probs(const at::Tensor& x, const at::Tensor& targets,
                               const Embedding* tied);
  // Undefined when an adapter owns the product.
  at::Tensor plain_weight(const Embedding* tied) const;
  // For the operators that make logits themselves; undefined as well where there is a bias, which
  // they do not know.
  at::Tensor operator_weight(const Embedding* tied) const;
  const TokenRows& rows_of(const Embedding* tied) const { return tied ? tied->rows() : rows; }
};

}  // namespace svtune
