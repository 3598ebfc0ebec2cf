#include "nn/batch.h"

#include "libtorch/prelude.h"

namespace svtune {
namespace {

at::Tensor longs(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

Batch to_batch(const PackedBatch& packed) {
  Batch batch{longs(packed.tokens), longs(packed.positions), packed.offsets};
  if (!packed.token_types.empty()) batch.token_types = longs(packed.token_types);
  if (!packed.classes.empty()) {
    batch.document_targets = longs(packed.classes);
  } else if (!packed.numbers.empty()) {
    batch.document_targets = at::tensor(packed.numbers, at::TensorOptions().dtype(at::kFloat));
  } else {
    batch.supervised = longs(packed.supervised);
    batch.targets = longs(packed.targets);
  }
  return batch;
}

}  // namespace svtune
