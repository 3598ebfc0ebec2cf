#include "models/image_embedding.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// [S, 3, rows * patch, columns * patch] -> [S * rows * columns, 3 * patch * patch]: one row for
// each place of a convolution whose step is its width.
at::Tensor unfolded(const at::Tensor& images, std::int64_t patch) {
  const std::int64_t rows = images.size(2) / patch, columns = images.size(3) / patch;
  return images.reshape({images.size(0), 3, rows, patch, columns, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({-1, 3 * patch * patch});
}

}  // namespace

void ImageEmbedding::check(const Batch& batch) const {
  if (!batch.images.defined()) throw ModelError("the model reads images, the batch holds none");
  const at::Tensor& images = batch.images;
  if (images.dim() != 4 || images.size(1) != 3 || images.size(0) != batch.num_documents()) {
    throw ModelError("a batch of " + std::to_string(batch.num_documents()) +
                     " documents needs images [" + std::to_string(batch.num_documents()) +
                     ", 3, height, width]");
  }
  const std::int64_t height = images.size(2), width = images.size(3);
  if (!input.any_size && (height != input.height || width != input.width)) {
    throw ModelError("an image has " + std::to_string(height) + " x " + std::to_string(width) +
                         " pixels, the model takes " + std::to_string(input.height) + " x " +
                         std::to_string(input.width),
                     "Resize the images, or ask for other sizes, for which the position "
                     "embeddings are interpolated.");
  }
  const std::int64_t tokens = image_tokens(input, height, width);
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const std::int64_t length = batch.offsets[s + 1] - batch.offsets[s];
    if (length == tokens) continue;
    throw ModelError("document " + std::to_string(s) + " has " + std::to_string(length) +
                     " tokens, its image " + std::to_string(tokens));
  }
}

at::Tensor ImageEmbedding::positions_of(std::int64_t rows, std::int64_t columns) const {
  const std::int64_t own_rows = input.height / input.patch, own_columns = input.width / input.patch;
  if (rows == own_rows && columns == own_columns) return positions.tensor;
  const at::Tensor all =
      positions.tensor.dim() == 2 ? positions.tensor.unsqueeze(0) : positions.tensor;
  const std::int64_t hidden = all.size(2);
  const at::ScalarType wide = all.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor grid = all.narrow(1, 1, own_rows * own_columns)
                              .reshape({1, own_rows, own_columns, hidden})
                              .permute({0, 3, 1, 2})
                              .to(wide);
  const bool aligned = false;
  const at::Tensor scaled = input.antialias
                                ? at::_upsample_bicubic2d_aa(grid, {rows, columns}, aligned)
                                : at::upsample_bicubic2d(grid, {rows, columns}, aligned);
  const at::Tensor other =
      scaled.to(all.scalar_type()).permute({0, 2, 3, 1}).reshape({1, rows * columns, hidden});
  return at::cat({all.narrow(1, 0, 1), other}, 1);
}

at::Tensor ImageEmbedding::forward(const Batch& batch, at::ScalarType dtype) const {
  check(batch);
  const at::Tensor& images = batch.images;
  const std::int64_t count = images.size(0), hidden = class_token.tensor.size(-1);
  const at::Tensor pixels = unfolded(images.to(dtype), input.patch);
  const at::Tensor matrix = patch_weight.tensor.flatten(1).to(dtype).t();
  const at::Tensor patches = patch_bias.exists()
                                 ? at::addmm(patch_bias.tensor.to(dtype), pixels, matrix)
                                 : at::mm(pixels, matrix);
  const at::Tensor rows = at::cat(
      {class_token.tensor.to(dtype).expand({count, 1, hidden}), patches.view({count, -1, hidden})},
      1);
  const at::Tensor places =
      positions_of(images.size(2) / input.patch, images.size(3) / input.patch).to(dtype);
  const at::Tensor placed = rows + places;
  if (!registers.exists()) return placed.view({-1, hidden});
  const at::Tensor between = registers.tensor.to(dtype).expand({count, -1, hidden});
  return at::cat({placed.narrow(1, 0, 1), between, placed.narrow(1, 1, placed.size(1) - 1)}, 1)
      .view({-1, hidden});
}

void ImageEmbedding::parts(PartVisitor& visit) {
  visit(class_token);
  visit(registers);
  visit(positions);
  visit(patch_weight);
  visit(patch_bias);
}

}  // namespace svtune
