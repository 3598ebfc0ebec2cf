#include "quant/quantized_matrix.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "quant/codebook.h"
#include "quant/kernels/block_kernels.h"
#include "quant/kernels/int8_row_kernels.h"
#include "quant/nested_scales.h"
#include "quant/raw_values.h"
#include "quant/task_size.h"

namespace svtune {
namespace {

using detail::kNestedBlock;

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

void dequantize_4bit(const QuantStorage& s, const at::Tensor& scales, const at::Tensor& out) {
  const kernels::Codebook book = detail::codebook_of_map(s.map.const_data_ptr<float>());
  const auto* codes = s.codes.const_data_ptr<std::uint8_t>();
  const auto* scale = scales.const_data_ptr<float>();
  const std::int64_t size = s.block_size, count = out.numel();
  const std::int64_t whole = count / size, tail = count % size;
  at::parallel_for(0, whole, std::max<std::int64_t>(1, kValuesPerTask / size),
                   [&](std::int64_t begin, std::int64_t end) {
                     kernels::block_kernels().dequantize(
                         book, codes + begin * size / 2, scale + begin, size, end - begin,
                         detail::mutable_raw_values(out, begin * size));
                   });
  if (tail == 0) return;
  at::Tensor last = at::empty({tail}, at::kFloat);
  for (std::int64_t i = 0; i < tail; ++i) {
    const std::uint8_t pair = codes[(whole * size + i) / 2];
    last.mutable_data_ptr<float>()[i] = book.map[i % 2 == 0 ? pair >> 4 : pair & 15] * scale[whole];
  }
  out.view({-1}).narrow(0, whole * size, tail).copy_(last);
}

void dequantize_int8(const QuantStorage& s, const at::Tensor& scales, const at::Tensor& out) {
  const std::int64_t columns = s.in_features;
  const auto* codes = s.codes.const_data_ptr<std::int8_t>();
  const auto* scale = scales.const_data_ptr<float>();
  at::parallel_for(0, s.out_features, std::max<std::int64_t>(1, kValuesPerTask / columns),
                   [&](std::int64_t begin, std::int64_t end) {
                     at::Tensor row = at::empty({columns}, at::kFloat);
                     for (std::int64_t i = begin; i < end; ++i) {
                       kernels::dequantize_int8_row(codes + i * columns, scale[i], columns,
                                                    row.mutable_data_ptr<float>());
                       out.select(0, i).copy_(row);
                     }
                   });
}

std::int64_t bytes_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<std::int64_t>(tensor.nbytes()) : 0;
}

}  // namespace

QuantizedMatrix::QuantizedMatrix(QuantStorage storage) : storage_(std::move(storage)) {
  check_storage(storage_);
  if (storage_.codes.is_meta()) return;
  storage_.codes = storage_.codes.contiguous();
  if (storage_.map.defined()) storage_.map = storage_.map.contiguous();
  block_scales_ = detail::unnested_scales(storage_);
  require(std::isfinite(block_scales_.sum(at::kDouble).item<double>()), "a scale is not finite");
}

std::int64_t QuantizedMatrix::nbytes() const {
  std::int64_t bytes = storage_.nested() ? 4 : 0;  // the offset
  for (const at::Tensor* tensor :
       {&storage_.codes, &storage_.map, &storage_.absmax, &storage_.absmax_codes,
        &storage_.nested_absmax, &storage_.nested_map}) {
    bytes += bytes_of(*tensor);
  }
  return bytes;
}

std::int64_t QuantizedMatrix::held_bytes() const {
  const std::int64_t unnested = storage_.nested() ? 4 * storage_.absmax_codes.numel() : 0;
  return nbytes() + unnested;
}

double QuantizedMatrix::bits_per_weight() const {
  return 8.0 * static_cast<double>(nbytes()) /
         (static_cast<double>(out_features()) * static_cast<double>(in_features()));
}

at::Tensor QuantizedMatrix::dequantize(at::ScalarType dtype) const {
  at::Tensor out = at::empty({out_features(), in_features()}, dtype);
  dequantize_into(out);
  return out;
}

void QuantizedMatrix::dequantize_into(const at::Tensor& out) const {
  const c10::NoGradGuard no_grad;
  if (out.dim() != 2 || out.size(0) != out_features() || out.size(1) != in_features() ||
      !out.is_contiguous() || !out.is_floating_point()) {
    throw std::invalid_argument("[dequantize_into] need a contiguous floating-point matrix of " +
                                std::to_string(out_features()) + " x " +
                                std::to_string(in_features()));
  }
  if (out.scalar_type() == at::kDouble) {
    out.copy_(dequantize(at::kFloat));
  } else if (storage_.type == QuantType::kInt8) {
    dequantize_int8(storage_, block_scales_, out);
  } else {
    dequantize_4bit(storage_, block_scales_, out);
  }
}

}  // namespace svtune
