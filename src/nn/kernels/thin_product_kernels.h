// fp32 products in which one operand is thin, as the factors of a low-rank update are. General
// matrix products share out their work by blocks that such shapes do not fill.
//
// Widths are multiples of kThinStep. Every element is one sum in the order of its terms, so that
// results depend neither on how the work is shared nor on which products are made together.
#pragma once

#include <cstdint>

namespace svtune::kernels {

inline constexpr std::int64_t kThinStep = 8;

// A factor [terms, columns] as the two products below read it: panels of `panel` columns, term by
// term, and what is left in panels of kThinStep.
struct PanelArgs {
  const float* factor;
  std::int64_t term_stride, column_stride;
  std::int64_t terms, columns, panel;
  float* panels;  // terms * columns values
};
void pack_panels(const PanelArgs& args);

// y = scale · x P:  x [rows, width], `x_stride` apart, P [width, thin], y [rows, thin].
inline constexpr std::int64_t kToThinPanel = 2 * kThinStep;
struct ToThinArgs {
  const float* x;
  const float* panels;  // of P, kToThinPanel
  float* y;
  std::int64_t x_stride, y_stride;
  std::int64_t width, thin;
  float scale;
};
void to_thin(const ToThinArgs& args, std::int64_t begin, std::int64_t end);  // rows

// y += scale · h Q:  h [rows, thin], Q [thin, width], y [rows, width].
inline constexpr std::int64_t kFromThinPanel = 3 * kThinStep;
struct FromThinArgs {
  const float* h;
  const float* panels;  // of Q, kFromThinPanel
  float* y;
  std::int64_t h_stride, y_stride;
  std::int64_t width, thin;
  float scale;
};
void add_from_thin(const FromThinArgs& args, std::int64_t begin, std::int64_t end);  // rows

// y = hᵀ x:  h [rows, thin], x [rows, width], y [thin, width].
struct ThinGramArgs {
  const float* h;
  const float* x;
  float* y;
  std::int64_t h_stride, x_stride;
  std::int64_t rows, width, thin;
};
// The columns [begin, end), both multiples of kThinStep.
void thin_gram(const ThinGramArgs& args, std::int64_t begin, std::int64_t end);

}  // namespace svtune::kernels
