// Model directories that hold some matrices as [in, out] (transformers' Conv1D): above this source,
// and in the network, every matrix is [out, in].
#pragma once

#include <memory>
#include <string>

#include "io/model.h"

namespace svtune {

// Whether model and adapter directories hold this tensor of the network transposed.
bool is_transposed(const ArchSpec& spec, const std::string& name);

// The tensor as such a directory holds it, or from there as the network has it: a view.
at::Tensor turned(const ArchSpec& spec, const std::string& name, const at::Tensor& tensor);

// `stored` with the family's matrices as [out, in]; quantised ones are stored so already. The same
// source where the family has none.
std::shared_ptr<const WeightSource> untransposed(std::shared_ptr<const WeightSource> stored,
                                                 const ArchSpec& spec);

}  // namespace svtune
