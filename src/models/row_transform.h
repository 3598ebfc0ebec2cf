// The layer that some heads have between the rows and their output.
#pragma once

#include "nn/ops/rowwise.h"
#include "nn/parts.h"

namespace svtune {

// norm(act(dense(x))). Sources: Devlin et al., "BERT", 2019, in the authors' code, before the
// words; Warner et al., "ModernBERT", arXiv 2412.13663, before labels too.
struct RowTransform {
  Linear dense;  // [hidden, hidden]
  Activation activation = Activation::kGelu;
  Norm norm;

  at::Tensor forward(const at::Tensor& x);  // [M, hidden] -> [M, hidden]
  void parts(PartVisitor& visit);
};

}  // namespace svtune
