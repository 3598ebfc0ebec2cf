#include "adapters/decomposed_weight.h"

#include "libtorch/prelude.h"

namespace svtune {

at::Tensor decomposed_weight(const BaseWeight& base) {
  if (base.quantized()) return base.dense_high_precision();
  const at::Tensor dense = base.dense();
  if (dense.scalar_type() != at::kFloat) return dense;
  const at::Tensor half = dense.to(at::kBFloat16);
  return half.to(at::kFloat).equal(dense) ? half : dense;
}

}  // namespace svtune
