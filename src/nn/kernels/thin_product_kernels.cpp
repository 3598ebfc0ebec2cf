#include "nn/kernels/thin_product_kernels.h"

#include <algorithm>

#include "nn/kernels/simd.h"

// A processor with fused multiply-add does a product and a sum at once; "avx2" alone is without.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SVTUNE_FMA_CLONES __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define SVTUNE_FMA_CLONES
#endif

namespace svtune::kernels {
namespace {

// Eight values at any address. The tiles below fill the sixteen registers of AVX: twelve sums and
// what one term of them reads.
using Vector = float __attribute__((vector_size(32), aligned(4), may_alias));
constexpr std::int64_t kLanes = kThinStep;

// kRows rows of `kVectors` vectors of sums, over the terms of one panel.
template <int kRows, int kVectors>
SVTUNE_INLINE void multiply_panel(const float* x, std::int64_t x_stride, const float* panel,
                                  std::int64_t terms, Vector (&sum)[kRows][kVectors]) {
  for (std::int64_t i = 0; i < terms; ++i) {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) {
        sum[r][v] += x[r * x_stride + i] *
                     *reinterpret_cast<const Vector*>(panel + (i * kVectors + v) * kLanes);
      }
    }
  }
}

template <int kRows, int kVectors>
SVTUNE_INLINE void to_thin_tile(const ToThinArgs& a, std::int64_t row, std::int64_t column) {
  Vector sum[kRows][kVectors] = {};
  multiply_panel<kRows, kVectors>(a.x + row * a.x_stride, a.x_stride, a.panels + column * a.width,
                                  a.width, sum);
  float* y = a.y + row * a.y_stride + column;
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      *reinterpret_cast<Vector*>(y + r * a.y_stride + v * kLanes) = a.scale * sum[r][v];
    }
  }
}

template <int kRows, int kVectors>
SVTUNE_INLINE void to_thin_columns(const ToThinArgs& a, std::int64_t begin, std::int64_t end,
                                   std::int64_t column) {
  std::int64_t row = begin;
  for (; row + kRows <= end; row += kRows) to_thin_tile<kRows, kVectors>(a, row, column);
  for (; row < end; ++row) to_thin_tile<1, kVectors>(a, row, column);
}

template <int kRows, int kVectors>
SVTUNE_INLINE void from_thin_tile(const FromThinArgs& a, std::int64_t row, std::int64_t column) {
  Vector sum[kRows][kVectors] = {};
  multiply_panel<kRows, kVectors>(a.h + row * a.h_stride, a.h_stride, a.panels + column * a.thin,
                                  a.thin, sum);
  float* y = a.y + row * a.y_stride + column;
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      *reinterpret_cast<Vector*>(y + r * a.y_stride + v * kLanes) += a.scale * sum[r][v];
    }
  }
}

template <int kRows>
SVTUNE_INLINE void from_thin_rows(const FromThinArgs& a, std::int64_t row) {
  std::int64_t column = 0;
  for (; column + kFromThinPanel <= a.width; column += kFromThinPanel) {
    from_thin_tile<kRows, 3>(a, row, column);
  }
  for (; column < a.width; column += kLanes) from_thin_tile<kRows, 1>(a, row, column);
}

// Adds the products of `rows` rows with kVectors vectors of x each, `strip`, to four rows of y.
template <int kVectors>
SVTUNE_INLINE void gram_tile(const ThinGramArgs& a, const float* h, const float* strip,
                             std::int64_t rows, float* y) {
  constexpr int kThin = 4;
  Vector sum[kThin][kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < kThin; ++j) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      sum[j][v] = *reinterpret_cast<const Vector*>(y + j * a.width + v * kLanes);
    }
  }
  for (std::int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 4
    for (int j = 0; j < kThin; ++j) {
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) {
        sum[j][v] += h[row * a.h_stride + j] *
                     *reinterpret_cast<const Vector*>(strip + (row * kVectors + v) * kLanes);
      }
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < kThin; ++j) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      *reinterpret_cast<Vector*>(y + j * a.width + v * kLanes) = sum[j][v];
    }
  }
}

constexpr std::int64_t kGramRows = 64;

// The strip is copied, because rows a power of two apart share few places in a cache; the next one
// is asked for meanwhile.
template <int kVectors>
SVTUNE_INLINE void gram_strip(const ThinGramArgs& a, std::int64_t first, std::int64_t rows,
                              std::int64_t column) {
  float strip[kGramRows * kVectors * kLanes];
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* x = a.x + (first + row) * a.x_stride + column;
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      *reinterpret_cast<Vector*>(strip + (row * kVectors + v) * kLanes) =
          *reinterpret_cast<const Vector*>(x + v * kLanes);
    }
    __builtin_prefetch(x + kVectors * kLanes);
    __builtin_prefetch(x + 2 * kVectors * kLanes - 1);
  }
  for (std::int64_t k = 0; k < a.thin; k += 4) {
    gram_tile<kVectors>(a, a.h + first * a.h_stride + k, strip, rows, a.y + k * a.width + column);
  }
}

void pack_columns(const PanelArgs& a, std::int64_t column, std::int64_t count) {
  float* target = a.panels + column * a.terms;
  const float* source = a.factor + column * a.column_stride;
  for (std::int64_t i = 0; i < a.terms; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      target[i * count + j] = source[i * a.term_stride + j * a.column_stride];
    }
  }
}

}  // namespace

void pack_panels(const PanelArgs& args) {
  std::int64_t column = 0;
  for (; column + args.panel <= args.columns; column += args.panel) {
    pack_columns(args, column, args.panel);
  }
  for (; column < args.columns; column += kLanes) pack_columns(args, column, kLanes);
}

SVTUNE_FMA_CLONES void to_thin(const ToThinArgs& args, std::int64_t begin, std::int64_t end) {
  std::int64_t column = 0;
  for (; column + kToThinPanel <= args.thin; column += kToThinPanel) {
    to_thin_columns<6, 2>(args, begin, end, column);
  }
  if (column < args.thin) to_thin_columns<12, 1>(args, begin, end, column);
}

SVTUNE_FMA_CLONES void add_from_thin(const FromThinArgs& args, std::int64_t begin,
                                     std::int64_t end) {
  std::int64_t row = begin;
  for (; row + 4 <= end; row += 4) from_thin_rows<4>(args, row);
  for (; row < end; ++row) from_thin_rows<1>(args, row);
}

SVTUNE_FMA_CLONES void thin_gram(const ThinGramArgs& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t k = 0; k < args.thin; ++k) {
    std::fill(args.y + k * args.width + begin, args.y + k * args.width + end, 0.0f);
  }
  for (std::int64_t first = 0; first < args.rows; first += kGramRows) {
    const std::int64_t rows = std::min(kGramRows, args.rows - first);
    std::int64_t column = begin;
    for (; column + 3 * kLanes <= end; column += 3 * kLanes) {
      gram_strip<3>(args, first, rows, column);
    }
    for (; column < end; column += kLanes) gram_strip<1>(args, first, rows, column);
  }
}

}  // namespace svtune::kernels
