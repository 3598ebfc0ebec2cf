// Images to the rows of a backbone: one for the class, registers if there are any, then one for
// each patch, row by row.
// Source: Dosovitskiy et al., arXiv 2010.11929, section 3.1; registers: Darcet et al., arXiv
// 2309.16588, section 2.2.
#pragma once

#include "models/arch_spec.h"
#include "nn/batch.h"
#include "nn/parts.h"

namespace svtune {

struct ImageEmbedding {
  ImageInput input;
  FreeTensor class_token;      // [1, 1, hidden] or [hidden]
  FreeTensor positions;        // [1, 1 + patches, hidden] of the size of `input`; may lack the 1
  FreeTensor patch_weight;     // [hidden, 3, patch, patch]
  FreeTensor patch_bias = {};  // [hidden], or none
  FreeTensor registers = {};   // [1, count, hidden], without positions; or none

  // Of S images [N, hidden] in `dtype`, N = S * image_tokens(). The positions of another size are
  // interpolated: bicubic, in fp32 (fp64 for fp64), without aligned corners, antialiased where
  // `input` says so. Throws ModelError for a batch without images, for a size that the model does
  // not take, and for documents of another length than their image gives.
  at::Tensor forward(const Batch& batch, at::ScalarType dtype) const;
  void parts(PartVisitor& visit);

 private:
  void check(const Batch& batch) const;
  at::Tensor positions_of(std::int64_t rows, std::int64_t columns) const;
};

}  // namespace svtune
