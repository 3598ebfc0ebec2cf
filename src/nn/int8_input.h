// How the input of a product in int8 keeps its small values beside its large ones.
#pragma once

namespace svtune {

enum class Int8Input {
  kTwoParts,      // two products, 15 bits
  kExactColumns,  // one product; the 32 columns of largest magnitude multiply in fp32
};

}  // namespace svtune
