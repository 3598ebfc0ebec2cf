#include "quant/nested_scales.h"

#include <array>
#include <cmath>
#include <vector>

#include "libtorch/prelude.h"
#include "linalg/parallel.h"

namespace svtune::detail {
namespace {

constexpr int kTableSize = 65536;
using NearestTable = std::array<std::uint8_t, kTableSize>;

// bitsandbytes looks a scale up on a uniform grid over [-1, 1] instead of searching the map;
// near zero, where the map is finer than the grid, this is not the nearest value.
NearestTable make_nearest_table() {
  const at::Tensor map = dynamic_map().to(at::kDouble);
  const double* values = map.const_data_ptr<double>();
  NearestTable table{};
  int code = 0;
  for (int i = 0; i < kTableSize; ++i) {
    const double point = -1.0 + 2.0 * i / (kTableSize - 1);
    while (code < 255 && point > (values[code] + values[code + 1]) / 2) ++code;
    table[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(code);
  }
  return table;
}

std::uint8_t nearest_code(float fraction) {
  static const NearestTable table = make_nearest_table();
  if (!(fraction > -1.0f)) return table.front();
  if (fraction >= 1.0f) return table.back();
  const float nearest = (fraction + 1.0f) * 32767.5f + 0.5f;
  return table[static_cast<std::size_t>(nearest)];
}

float quantize_nested_block(const float* values, std::int64_t size, std::uint8_t* codes) {
  float absmax = 0;
  for (std::int64_t i = 0; i < size; ++i) absmax = std::max(absmax, std::abs(values[i]));
  const float inverse = 1.0f / absmax;
  for (std::int64_t i = 0; i < size; ++i) {
    codes[i] = absmax > 0 ? nearest_code(values[i] * inverse) : std::uint8_t{0};
  }
  return absmax;
}

}  // namespace

at::Tensor dynamic_map() {
  std::vector<at::Tensor> parts{at::zeros({1}), at::ones({1})};
  for (int exponent = 0; exponent < 7; ++exponent) {
    const std::int64_t count = std::int64_t{1} << exponent;
    const at::Tensor bounds = at::linspace(0.1, 1.0, count + 1, at::kFloat);
    const at::Tensor middles = (bounds.narrow(0, 0, count) + bounds.narrow(0, 1, count)) / 2.0;
    const at::Tensor values = middles * std::pow(10.0, exponent - 6);
    parts.insert(parts.end(), {values, -values});
  }
  return std::get<0>(at::cat(parts).sort());
}

void nest_scales(const at::Tensor& scales, QuantStorage& storage) {
  const SerialMath serial;
  const at::Tensor offset = scales.mean();
  const at::Tensor centred = (scales - offset).contiguous();
  const std::int64_t blocks = centred.numel();
  storage.absmax_codes = at::empty({blocks}, at::kByte);
  storage.nested_absmax = at::empty({(blocks + kNestedBlock - 1) / kNestedBlock}, at::kFloat);
  storage.nested_map = dynamic_map();
  storage.nested_offset = offset.item<float>();
  for (std::int64_t begin = 0; begin < blocks; begin += kNestedBlock) {
    storage.nested_absmax.mutable_data_ptr<float>()[begin / kNestedBlock] = quantize_nested_block(
        centred.const_data_ptr<float>() + begin, std::min(kNestedBlock, blocks - begin),
        storage.absmax_codes.mutable_data_ptr<std::uint8_t>() + begin);
  }
  storage.absmax = at::Tensor();
}

at::Tensor unnested_scales(const QuantStorage& storage) {
  if (!storage.nested()) return storage.absmax.contiguous();
  const at::Tensor values = storage.nested_map.index_select(0, storage.absmax_codes.to(at::kLong));
  const at::Tensor outer =
      storage.nested_absmax.repeat_interleave(kNestedBlock).narrow(0, 0, values.numel());
  return (values * outer + static_cast<float>(storage.nested_offset)).contiguous();
}

}  // namespace svtune::detail
