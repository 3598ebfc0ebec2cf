// The tensors of a model as they lie in its checkpoint, whatever the network made of them.
#pragma once

#include <string>

#include "io/model.h"

namespace svtune {

// The stored values of a tensor of the network, a tied head's being the embedding's, converted once
// to `dtype`; a view of the file where the dtypes agree. Throws ModelError, as base_hash does, when
// the checkpoint has no such tensor.
at::Tensor base_tensor(const Model& model, const std::string& name, at::ScalarType dtype);

// The dtype for a tensor of the network in a file of weights in `most`, which loses nothing of the
// stored values: theirs where it is as wide, else `most`.
at::ScalarType kept_dtype(const Model& model, const std::string& name, at::ScalarType most);

// Hash of the stored bytes, 16 hexadecimal digits.
std::string base_hash(const Model& model, const std::string& name);

}  // namespace svtune
