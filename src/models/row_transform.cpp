#include "models/row_transform.h"

#include "libtorch/prelude.h"

namespace svtune {

at::Tensor RowTransform::forward(const at::Tensor& x) {
  return norm.forward(activate(dense.forward(x), activation));
}

void RowTransform::parts(PartVisitor& visit) {
  visit(dense);
  visit(norm);
}

}  // namespace svtune
