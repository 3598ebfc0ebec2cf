// Quantisation of a matrix that has been quantised before and has changed a little since.
#pragma once

#include <ATen/core/Tensor.h>

#include "quant/quantized_matrix.h"

namespace svtune::detail {

enum class SearchEffort {
  kFull,   // the whole list of candidates, and the scale before
  kQuick,  // the scale before and its neighbours; half of the list when there is none
};

// Like quantize(). Where scales are searched, each block also tries the scale that it has in
// `before` (may be null), so that its error never exceeds that of the codes and scale there.
QuantizedMatrix quantize_again(const at::Tensor& weight, const QuantConfig& config,
                               const QuantizedMatrix* before, SearchEffort effort);

}  // namespace svtune::detail
