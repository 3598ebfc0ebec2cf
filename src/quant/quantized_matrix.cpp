#include "quant/quantized_matrix.h"

#include <cmath>
#include <string>
#include <utility>

#include "base/errors.h"
#include "linalg/torch_pch.h"

namespace svtune {
namespace {

constexpr std::int64_t kNestedBlock = 256;  // scales per nested block

std::int64_t blocks_of(const QuantStorage& s) {
  if (s.type == QuantType::kInt8) return s.out_features;
  return (s.out_features * s.in_features + s.block_size - 1) / s.block_size;
}

void require(bool fits, const std::string& what) {
  if (!fits) throw ModelError("quantised matrix: " + what);
}

void check_tensor(const at::Tensor& tensor, at::ScalarType dtype, std::int64_t count,
                  const char* name) {
  require(tensor.defined() && tensor.scalar_type() == dtype && tensor.numel() == count,
          std::string(name) + " must hold " + std::to_string(count) + " values of " +
              at::toString(dtype));
}

void check_storage(const QuantStorage& s) {
  require(s.out_features > 0 && s.in_features > 0, "the shape must not be empty");
  const std::int64_t count = s.out_features * s.in_features;
  if (s.type == QuantType::kInt8) {
    check_tensor(s.codes, at::kChar, count, "the int8 codes");
    check_tensor(s.absmax, at::kFloat, s.out_features, "absmax");
    return;
  }
  require(s.block_size >= 32 && s.block_size <= 4096 && (s.block_size & (s.block_size - 1)) == 0,
          "block size " + std::to_string(s.block_size) + " is no power of two from 32 to 4096");
  check_tensor(s.codes, at::kByte, (count + 1) / 2, "the packed codes");
  check_tensor(s.map, at::kFloat, 16, "quant_map");
  const std::int64_t blocks = blocks_of(s);
  if (!s.nested()) {
    check_tensor(s.absmax, at::kFloat, blocks, "absmax");
    return;
  }
  check_tensor(s.absmax_codes, at::kByte, blocks, "absmax");
  check_tensor(s.nested_absmax, at::kFloat, (blocks + kNestedBlock - 1) / kNestedBlock,
               "nested_absmax");
  check_tensor(s.nested_map, at::kFloat, 256, "nested_quant_map");
}

at::Tensor unnested_scales(const QuantStorage& s) {
  if (!s.nested()) return s.absmax;
  const at::Tensor values = s.nested_map.index_select(0, s.absmax_codes.to(at::kLong));
  const at::Tensor outer = s.nested_absmax.repeat_interleave(kNestedBlock).narrow(0, 0, values.numel());
  return values * outer + static_cast<float>(s.nested_offset);
}

}  // namespace

QuantizedMatrix::QuantizedMatrix(QuantStorage storage) : storage_(std::move(storage)) {
  check_storage(storage_);
  block_scales_ = unnested_scales(storage_).contiguous();
  require(std::isfinite(block_scales_.sum(at::kDouble).item<double>()), "a scale is not finite");
}

}  // namespace svtune
