// Rows of the embedding, and of the output head, that train apart from their matrix, which stays
// frozen: PEFT's trainable tokens.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace svtune {

class TokenRows {
 public:
  TokenRows() = default;  // none
  // Starts with the matrix's own rows. `ids` are distinct rows of `matrix` [vocab, hidden].
  TokenRows(const std::vector<std::int64_t>& ids, const at::Tensor& matrix);

  bool any() const { return values_.defined(); }
  const at::Tensor& ids() const { return ids_; }        // [n] int64
  const at::Tensor& values() const { return values_; }  // [n, hidden], the fp32 (fp64) leaf

  // `x` [N, hidden] is what the matrix has for `tokens` [N]; returns it with the trained rows.
  at::Tensor in_embedded(const at::Tensor& x, const at::Tensor& tokens) const;
  // `logits` [M, vocab] is hidden · matrixᵀ; returns it with the trained rows' columns.
  at::Tensor in_logits(const at::Tensor& logits, const at::Tensor& hidden) const;

 private:
  at::Tensor ids_, values_;
  at::Tensor places_;  // [vocab]: where in values, or -1
};

}  // namespace svtune
