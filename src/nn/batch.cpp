#include "nn/batch.h"

#include <algorithm>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

at::Tensor images_of(const PackedBatch& packed) {
  const auto count = static_cast<std::int64_t>(packed.offsets.size()) - 1;
  const std::int64_t height = packed.image_height, width = packed.image_width;
  const auto held = static_cast<std::int64_t>(packed.pixels.size());
  if (held != count * 3 * height * width) {
    throw ModelError("a batch holds " + std::to_string(held) + " pixel values, need [" +
                     std::to_string(count) + ", 3, " + std::to_string(height) + ", " +
                     std::to_string(width) + "]");
  }
  at::Tensor images = at::empty({count, 3, height, width}, at::TensorOptions().dtype(at::kFloat));
  std::ranges::copy(packed.pixels, images.mutable_data_ptr<float>());
  return images;
}

at::Tensor longs(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

Batch to_batch(const PackedBatch& packed) {
  Batch batch{longs(packed.tokens), longs(packed.positions), packed.offsets};
  if (!packed.token_types.empty()) batch.token_types = longs(packed.token_types);
  if (!packed.pixels.empty()) batch.images = images_of(packed);
  if (!packed.classes.empty()) {
    batch.document_targets = longs(packed.classes);
  } else if (!packed.numbers.empty()) {
    batch.document_targets = at::tensor(packed.numbers, at::TensorOptions().dtype(at::kFloat));
  } else {
    batch.masked = packed.masked;
    batch.supervised = longs(packed.supervised);
    batch.targets = longs(packed.targets);
  }
  return batch;
}

}  // namespace svtune
