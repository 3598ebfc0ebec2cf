// The tensors of a model as they lie in its checkpoint, whatever the network made of them.
#pragma once

#include <optional>
#include <string>

#include "io/model.h"

namespace svtune {

// The name under which the checkpoint holds a tensor of the network: base models saved
// without their head drop the leading "model.", a tied head is the embedding. Throws
// ModelError when the checkpoint has no such tensor.
std::string stored_name(const Model& model, const std::string& name);

// The stored values converted once to `dtype`; a view of the file where the dtypes agree.
at::Tensor base_tensor(const Model& model, const std::string& name, at::ScalarType dtype);

// Hash of the stored bytes, 16 hexadecimal digits.
std::string base_hash(const Model& model, const std::string& name);

}  // namespace svtune
