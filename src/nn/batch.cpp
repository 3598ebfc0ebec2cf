#include "nn/batch.h"

#include "libtorch/prelude.h"

namespace svtune {
namespace {

at::Tensor longs(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

Batch to_batch(const PackedBatch& packed) {
  return {longs(packed.tokens), longs(packed.positions), packed.offsets, longs(packed.supervised),
          longs(packed.targets)};
}

}  // namespace svtune
