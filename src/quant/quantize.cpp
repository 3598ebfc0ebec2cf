// From a dense matrix to QuantStorage, byte for byte as bitsandbytes does it on the CPU.
#include <cmath>
#include <stdexcept>
#include <string>

#include "base/errors.h"
#include "linalg/torch_pch.h"
#include "quant/codebook.h"
#include "quant/kernels/block_kernels.h"
#include "quant/kernels/int8_rows.h"
#include "quant/nested_scales.h"
#include "quant/quantized_matrix.h"
#include "quant/raw_values.h"

namespace svtune {
namespace {

constexpr std::int64_t kValuesPerTask = 1 << 15;
constexpr float kSmallestAbsmax = 1e-38f;

void check_request(const at::Tensor& weight, const QuantConfig& config) {
  if (!weight.defined() || weight.dim() != 2 || weight.numel() == 0 ||
      !weight.is_floating_point() || !weight.device().is_cpu()) {
    throw std::invalid_argument(
        "[quantize] need a non-empty floating-point matrix [out, in] on the CPU");
  }
  if (config.type == QuantType::kInt8) {
    if (config.scales != ScaleChoice::kAbsmax || config.double_quant) {
      throw std::invalid_argument(
          "[quantize] int8 has one absmax per row: no scale search, no double quantisation");
    }
    return;
  }
  const std::int64_t size = config.block_size;
  if (size < 32 || size > 4096 || (size & (size - 1)) != 0) {
    throw std::invalid_argument("[quantize] got block size " + std::to_string(size) +
                                ", need a power of two from 32 to 4096");
  }
}

[[noreturn]] void throw_not_finite(const at::Tensor& weight) {
  const at::Tensor bad = weight.to(at::kFloat).flatten().isfinite().logical_not().nonzero();
  const std::int64_t at = bad.numel() > 0 ? bad[0][0].item<std::int64_t>() : 0;
  throw ModelError("an entry of the weight is not finite: row " +
                   std::to_string(at / weight.size(1)) + ", column " +
                   std::to_string(at % weight.size(1)));
}

// The last, partial block: bitsandbytes divides there where it multiplies by the reciprocal
// elsewhere, and stores the smallest scale instead of zero. An odd last nibble encodes 0.
void quantize_tail(const kernels::Codebook& book, const float* values, std::int64_t size,
                   std::uint8_t* codes, float& absmax) {
  absmax = kSmallestAbsmax;
  for (std::int64_t i = 0; i < size; ++i) absmax = std::max(absmax, std::abs(values[i]));
  for (std::int64_t i = 0; i < size + size % 2; ++i) {
    const float fraction = i < size ? values[i] / absmax : 0.0f;
    int rank = 0;
    while (fraction > book.bounds[rank]) ++rank;
    codes[i / 2] = static_cast<std::uint8_t>(i % 2 == 0 ? book.order[rank] << 4
                                                        : codes[i / 2] | book.order[rank]);
  }
}

void quantize_4bit(const at::Tensor& weight, const QuantConfig& config, QuantStorage& storage) {
  const kernels::Codebook& book = detail::codebook_of(config.type);
  const std::int64_t count = weight.numel(), size = config.block_size;
  const std::int64_t whole = count / size, tail = count % size;
  storage.block_size = size;
  storage.codes = at::empty({(count + 1) / 2}, at::kByte);
  storage.map = at::from_blob(const_cast<float*>(book.map), {16}, at::kFloat).clone();
  storage.absmax = at::empty({whole + (tail > 0)}, at::kFloat);
  auto* codes = storage.codes.mutable_data_ptr<std::uint8_t>();
  auto* absmax = storage.absmax.mutable_data_ptr<float>();
  at::parallel_for(0, whole, std::max<std::int64_t>(1, kValuesPerTask / size),
                   [&](std::int64_t begin, std::int64_t end) {
                     kernels::block_kernels().quantize(
                         book, detail::raw_values(weight, begin * size), size, end - begin,
                         codes + begin * size / 2, absmax + begin);
                   });
  if (tail > 0) {
    const at::Tensor last = weight.flatten().narrow(0, whole * size, tail).to(at::kFloat);
    quantize_tail(book, last.const_data_ptr<float>(), tail, codes + whole * size / 2,
                  absmax[whole]);
  }
}

void quantize_int8(const at::Tensor& weight, QuantStorage& storage) {
  const std::int64_t rows = weight.size(0), columns = weight.size(1);
  storage.codes = at::empty({rows, columns}, at::kChar);
  storage.absmax = at::empty({rows}, at::kFloat);
  auto* codes = storage.codes.mutable_data_ptr<std::int8_t>();
  auto* absmax = storage.absmax.mutable_data_ptr<float>();
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kValuesPerTask / columns),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const at::Tensor row = weight.select(0, i).to(at::kFloat);
                       absmax[i] = kernels::quantize_int8_row(row.const_data_ptr<float>(), columns,
                                                              codes + i * columns);
                     }
                   });
}

}  // namespace

QuantizedMatrix quantize(const at::Tensor& weight, const QuantConfig& config) {
  const c10::NoGradGuard no_grad;
  check_request(weight, config);
  at::Tensor values = weight.detach().contiguous();
  if (values.scalar_type() == at::kDouble) values = values.to(at::kFloat);
  QuantStorage storage;
  storage.type = config.type;
  storage.out_features = weight.size(0);
  storage.in_features = weight.size(1);
  storage.original_dtype = weight.scalar_type();
  if (config.type == QuantType::kInt8) {
    quantize_int8(values, storage);
  } else {
    quantize_4bit(values, config, storage);
  }
  if (!storage.absmax.isfinite().all().item<bool>()) throw_not_finite(weight);
  if (config.double_quant) detail::nest_scales(storage.absmax, storage);
  return QuantizedMatrix(std::move(storage));
}

}  // namespace svtune
