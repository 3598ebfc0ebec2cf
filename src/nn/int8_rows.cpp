#include "nn/int8_rows.h"

#include <algorithm>

#include "libtorch/prelude.h"
#include "nn/kernels/int8_operands.h"
#include "nn/ops/kernel_choice.h"

namespace svtune {
namespace {

const float* floats_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

template <class Work>
void for_rows(std::int64_t rows, std::int64_t columns, const Work& work) {
  at::parallel_for(0, rows, rows_a_task(columns), work);
}

template <class T>
void quantize_rows(const at::Tensor& values, const at::Tensor& factors, const Int8Rows& rows) {
  const std::int64_t columns = values.size(1);
  auto* codes = rows.codes.mutable_data_ptr<std::int8_t>();
  const kernels::QuantizeRowsArgs<T> args{static_cast<const T*>(values.const_data_ptr()),
                                          floats_or_null(factors),
                                          codes,
                                          rows.parts() == 2 ? codes + columns : nullptr,
                                          rows.parts() * columns,
                                          rows.scales.mutable_data_ptr<float>(),
                                          columns};
  for_rows(values.size(0), columns,
           [&](std::int64_t begin, std::int64_t end) { kernels::quantize_rows(args, begin, end); });
}

template <class T>
void combine_sums(const at::Tensor& sums, const at::Tensor& row_scales,
                  const at::Tensor& column_scales, const at::Tensor& y, bool accumulate) {
  const std::int64_t columns = sums.size(2);
  const auto* high = sums.const_data_ptr<std::int32_t>();
  const kernels::CombineSumsArgs<T> args{high,
                                         sums.size(1) == 2 ? high + columns : nullptr,
                                         sums.size(1) * columns,
                                         row_scales.const_data_ptr<float>(),
                                         floats_or_null(column_scales),
                                         static_cast<T*>(y.mutable_data_ptr()),
                                         columns,
                                         accumulate};
  for_rows(sums.size(0), columns,
           [&](std::int64_t begin, std::int64_t end) { kernels::combine_sums(args, begin, end); });
}

}  // namespace

Int8Rows int8_rows(const at::Tensor& given, const at::Tensor& factors, std::int64_t parts) {
  if (!has_row_kernel(given)) return int8_rows_plain(given, factors, parts);
  const at::Tensor values = given.contiguous();
  const auto options = values.options();
  const Int8Rows rows{at::empty({values.size(0), parts, values.size(1)}, options.dtype(at::kChar)),
                      at::empty({values.size(0)}, options.dtype(at::kFloat))};
  if (values.scalar_type() == at::kFloat) {
    quantize_rows<float>(values, factors, rows);
  } else {
    quantize_rows<kernels::Bf16>(values, factors, rows);
  }
  return rows;
}

Int8Rows int8_rows_plain(const at::Tensor& values, const at::Tensor& factors, std::int64_t parts) {
  at::Tensor wide = values.to(at::kFloat);
  if (factors.defined()) wide = wide * factors;
  const at::Tensor scales = wide.abs().amax({1}) / 127;
  const at::Tensor inverses = at::where(scales.eq(0), at::zeros_like(scales), scales.reciprocal());
  const at::Tensor steps = wide * inverses.unsqueeze(1);
  const at::Tensor high = steps.round();
  if (parts == 1) return {high.to(at::kChar).unsqueeze(1), scales};
  const at::Tensor low = ((steps - high) * kernels::kPartSteps).round();
  return {at::stack({high, low}, 1).to(at::kChar), scales};
}

at::Tensor column_magnitudes(const at::Tensor& given) {
  if (!has_row_kernel(given)) return given.abs().amax({0}).to(at::kFloat);
  const at::Tensor values = given.contiguous();
  const std::int64_t rows = values.size(0), columns = values.size(1);
  constexpr std::int64_t kRowsPerBlock = 64;
  const std::int64_t blocks = (rows + kRowsPerBlock - 1) / kRowsPerBlock;
  const at::Tensor largest = at::empty({blocks, columns}, values.options().dtype(at::kFloat));
  at::parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      float* own = largest.mutable_data_ptr<float>() + block * columns;
      const std::int64_t begin = block * kRowsPerBlock, end = std::min(rows, begin + kRowsPerBlock);
      if (values.scalar_type() == at::kFloat) {
        kernels::column_magnitudes(values.const_data_ptr<float>(), columns, own, begin, end);
      } else {
        kernels::column_magnitudes(static_cast<const kernels::Bf16*>(values.const_data_ptr()),
                                   columns, own, begin, end);
      }
    }
  });
  return largest.amax({0});
}

void combine_int8_sums(const at::Tensor& sums, const at::Tensor& row_scales,
                       const at::Tensor& column_scales, const at::Tensor& y, bool accumulate) {
  if (!has_row_kernel(y)) {
    combine_int8_sums_plain(sums, row_scales, column_scales, y, accumulate);
  } else if (y.scalar_type() == at::kFloat) {
    combine_sums<float>(sums, row_scales, column_scales, y, accumulate);
  } else {
    combine_sums<kernels::Bf16>(sums, row_scales, column_scales, y, accumulate);
  }
}

void combine_int8_sums_plain(const at::Tensor& sums, const at::Tensor& row_scales,
                             const at::Tensor& column_scales, const at::Tensor& y,
                             bool accumulate) {
  at::Tensor values = sums.select(1, 0).to(at::kFloat);
  if (sums.size(1) == 2) values = values + sums.select(1, 1).to(at::kFloat) / kernels::kPartSteps;
  values = values * row_scales.unsqueeze(1);
  if (column_scales.defined()) values = values * column_scales;
  y.copy_(accumulate ? values + y.to(at::kFloat) : values);
}

}  // namespace svtune
