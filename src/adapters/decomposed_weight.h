// Which numbers a method decomposes to start from a weight.
#pragma once

#include "nn/base_weight.h"

namespace svtune {

// The matrix [out, in] whose singular triplets are those of the layer, independent of the dtype of
// the run's products where that can be: values that bf16 holds exactly come in bf16, quantised ones
// in fp32. So a model gives the same triplets to the bit, and the same entry of the cache, when it
// is loaded in fp32 and in bf16.
at::Tensor decomposed_weight(const BaseWeight& base);

}  // namespace svtune
