// DeBERTa's attention: query and key layers project the contents and the table of distances alike.
#pragma once

#include <vector>

#include "models/attention.h"
#include "nn/ops/disentangled.h"

namespace svtune {

struct DisentangledAttention {
  Projections project;
  Linear output;
  HeadShape heads;
  DisentangledSpec spec;

  // x [N, hidden]. Query and key read the rows of x and those of the position table as one matrix:
  // an adapter sees both, sums both gradients, and its dropout has a mask for every row. Two calls
  // would draw one mask twice or need to know which they are, also when a block runs again in
  // backward; beside the products the copy is small.
  at::Tensor forward(const at::Tensor& x, std::size_t layer, const Pass& pass);
  void parts(PartVisitor& visit);
  Kept kept() const;
  std::vector<SharedInput> inputs() const;
};

}  // namespace svtune
