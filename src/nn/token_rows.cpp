#include "nn/token_rows.h"

#include "libtorch/prelude.h"

namespace svtune {

TokenRows::TokenRows(const std::vector<std::int64_t>& ids, const at::Tensor& matrix) {
  const auto indices = matrix.options().dtype(at::kLong);
  ids_ = at::tensor(ids, at::TensorOptions().dtype(at::kLong)).to(matrix.device());
  places_ = at::full({matrix.size(0)}, -1, indices);
  const at::ScalarType dtype = matrix.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  if (matrix.is_meta()) {  // where there is nothing but shapes
    values_ = at::empty({ids_.size(0), matrix.size(1)}, matrix.options().dtype(dtype));
  } else {
    places_.index_copy_(0, ids_, at::arange(ids_.size(0), indices));
    values_ = matrix.detach().index_select(0, ids_).to(dtype);
  }
  values_.requires_grad_(true);
}

at::Tensor TokenRows::in_embedded(const at::Tensor& x, const at::Tensor& tokens) const {
  if (!any()) return x;
  const at::Tensor places = places_.index_select(0, tokens);
  const at::Tensor where = places.ge(0).nonzero().squeeze(1);
  const at::Tensor rows = values_.index_select(0, places.index_select(0, where));
  return x.index_copy(0, where, rows.to(x.scalar_type()));
}

at::Tensor TokenRows::in_logits(const at::Tensor& logits, const at::Tensor& hidden) const {
  if (!any()) return logits;
  const at::Tensor columns = at::linear(hidden, values_.to(hidden.scalar_type()));
  return logits.index_copy(1, ids_, columns.to(logits.scalar_type()));
}

}  // namespace svtune
