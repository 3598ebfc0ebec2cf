// The inverse of a small matrix.
#pragma once

#include <cstdint>

namespace svtune {

// Inverts M [n, n] in place by Gauss and Jordan, without exchanges of rows: for matrices with a
// positive definite symmetric part, all of whose pivots are positive.
inline void invert_positive(double* M, std::int64_t n) {
  for (std::int64_t p = 0; p < n; ++p) {
    double* pivot_row = M + p * n;
    const double inverse = 1.0 / pivot_row[p];
    pivot_row[p] = 1.0;
    for (std::int64_t j = 0; j < n; ++j) pivot_row[j] *= inverse;
    for (std::int64_t i = 0; i < n; ++i) {
      if (i == p) continue;
      double* row = M + i * n;
      const double factor = row[p];
      row[p] = 0.0;
      for (std::int64_t j = 0; j < n; ++j) row[j] -= factor * pivot_row[j];
    }
  }
}

}  // namespace svtune
