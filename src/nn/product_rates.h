// How fast this machine multiplies matrices of a model's shapes, in each arithmetic. No table of
// processors says it: bf16 is twice fp32 on one and half of it on another.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <span>

namespace svtune {

struct ProductShape {
  std::int64_t out = 0, in = 0;  // of a weight
};

// Operations a second, two for a multiplication with its addition.
struct ProductRate {
  double forward = 0;   // x Wᵀ
  double backward = 0;  // g W
  // Of one product in each direction, as a training step has them.
  double both() const;
};

// The arithmetic in `compute` (bf16 or fp32) over weights stored in `stored`: widening is part of
// the time where they differ. The mean over the shapes by their share of the work. Takes some 5 ms
// a shape and direction; a product that would take longer is measured on less.
ProductRate product_rate(std::span<const ProductShape> shapes, at::ScalarType stored,
                         at::ScalarType compute);

// int8 by int8 into int32, x Wᵀ and, on a second copy, g W; zeros where ATen does not offer it
// for these shapes.
ProductRate int8_product_rate(std::span<const ProductShape> shapes);

}  // namespace svtune
