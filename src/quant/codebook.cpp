#include "quant/codebook.h"

#include <algorithm>
#include <limits>

namespace svtune::detail {
namespace {

// Quantiles of a normal distribution, scaled to [-1, 1] (QLoRA, appendix E).
constexpr std::array<float, 16> kNf4Map = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

// Sign, two bits of exponent, one of mantissa; bitsandbytes divides by the largest, 12.
constexpr std::array<float, 16> kFp4Map = {
    0.0f / 12,  0.0625f / 12, 8.0f / 12,  12.0f / 12,    4.0f / 12,  6.0f / 12,
    2.0f / 12,  3.0f / 12,    0.0f,       -0.0625f / 12, -8.0f / 12, -12.0f / 12,
    -4.0f / 12, -6.0f / 12,   -2.0f / 12, -3.0f / 12,
};

// Codes in ascending order of their values. Of FP4's two zeros, bitsandbytes takes 0 for
// values in (-0.0026, 0] and 8 for those in (0, 0.0026].
constexpr std::array<std::uint8_t, 16> kNf4Order = {0, 1, 2,  3,  4,  5,  6,  7,
                                                    8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::array<std::uint8_t, 16> kFp4Order = {11, 10, 13, 12, 15, 14, 9, 0,
                                                    8,  1,  6,  7,  4,  5,  2, 3};

kernels::Codebook make_codebook(const std::array<float, 16>& map,
                                const std::array<std::uint8_t, 16>& order) {
  kernels::Codebook book{};
  for (int i = 0; i < 16; ++i) {
    book.map[i] = map[i];
    book.order[i] = order[i];
    book.sorted[i] = map[order[i]];
  }
  for (int i = 0; i < 15; ++i) book.bounds[i] = (book.sorted[i] + book.sorted[i + 1]) / 2.0f;
  book.bounds[15] = std::numeric_limits<float>::infinity();
  return book;
}

}  // namespace

const kernels::Codebook& codebook_of(QuantType type) {
  static const kernels::Codebook nf4 = make_codebook(kNf4Map, kNf4Order);
  static const kernels::Codebook fp4 = make_codebook(kFp4Map, kFp4Order);
  return type == QuantType::kFp4 ? fp4 : nf4;
}

kernels::Codebook codebook_of_map(const float* map) {
  kernels::Codebook book{};
  std::copy_n(map, 16, book.map);
  return book;
}

}  // namespace svtune::detail
