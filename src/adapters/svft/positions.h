// Where M may be non-zero: the four patterns of SVFT 2405.19597 section 3 as lists of
// positions (i, j) in an n x n matrix.
//
//   plain        i = j
//   banded d     |j - i| <= d
//   random d     as many positions as banded d has, distinct, drawn uniformly
//   top-k d      as many, where |u_i · v_j| is largest (square weights only)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

// k = n(2d + 1) - d(d + 1), the number of positions of a band; d = 0 is the diagonal.
// Requires 0 <= d < n.
std::int64_t banded_count(std::int64_t n, std::int64_t d);

// All are int32 [2, k] on the CPU: rows i above columns j, in row-major order.
at::Tensor banded_positions(std::int64_t n, std::int64_t d);
at::Tensor random_positions(std::int64_t n, std::int64_t count, std::uint64_t seed);
// `alignment` [n, n] holds u_i · v_j. The sign of a pair (u_i, v_i) is arbitrary, so only the
// size counts.
at::Tensor top_positions(const at::Tensor& alignment, std::int64_t count);

}  // namespace svtune
