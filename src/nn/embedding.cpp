#include "nn/embedding.h"

#include <utility>

#include "libtorch/prelude.h"

namespace svtune {

Embedding::Embedding(std::string name, at::Tensor weight)
    : name_(std::move(name)), weight_(std::move(weight)) {}

at::Tensor Embedding::forward(const at::Tensor& ids) const {
  return rows_.in_embedded(at::embedding(weight_, ids), ids);
}

}  // namespace svtune
