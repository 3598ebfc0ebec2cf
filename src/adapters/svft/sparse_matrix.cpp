#include "adapters/svft/sparse_matrix.h"

#include <algorithm>
#include <string>
#include <vector>

#include "adapters/svft/sparse_kernels.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

using kernels::Bf16;

constexpr std::int64_t kRowsPerTask = 32;
constexpr std::int64_t kFewTokens = 16;  // below, whole tiles of tokens would be mostly padding

template <class T>
const T* rows_of(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

// Calls `run` with a value of the kernel's storage type; false when there is no kernel.
template <class Run>
bool with_kernel_type(const at::Tensor& x, const Run& run) {
  if (!x.is_cpu()) return false;
  switch (x.scalar_type()) {
    case at::kFloat:
      run(float{});
      return true;
    case at::kDouble:
      run(double{});
      return true;
    case at::kBFloat16:
      run(Bf16{});
      return true;
    default:
      return false;
  }
}

at::ScalarType sum_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace

SparsePattern::SparsePattern(std::int64_t n, const at::Tensor& positions) : n_(n) {
  const at::Tensor wide = positions.to(at::kCPU, at::kLong);
  if (wide.numel() > 0 &&
      (wide.min().item<std::int64_t>() < 0 || wide.max().item<std::int64_t>() >= n)) {
    throw ModelError("a position of M lies outside " + std::to_string(n) + " x " +
                     std::to_string(n));
  }
  flat_ = wide[0] * n + wide[1];
  const at::Tensor sorted = std::get<0>(flat_.sort());
  if (flat_.numel() > 1 && sorted.diff().min().item<std::int64_t>() == 0) {
    throw ModelError("a position of M occurs twice");
  }
  rows_ = group(n, wide[0], wide[1]);
  columns_ = group(n, wide[1], wide[0]);
}

SparsePattern::Grouped SparsePattern::group(std::int64_t n, const at::Tensor& rows,
                                            const at::Tensor& columns) {
  const at::Tensor order = rows.argsort(/*stable=*/true, 0, false);
  const at::Tensor counts = rows.bincount({}, n);
  const at::Tensor begin = at::cat({at::zeros({1}, at::kLong), counts.cumsum(0)});
  return {begin.to(at::kInt), columns.index_select(0, order).to(at::kInt), order.to(at::kInt)};
}

at::Tensor SparsePattern::product(const Grouped& grouped, const at::Tensor& values,
                                  const at::Tensor& x, const at::Tensor& diagonal) const {
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty_like(in);
  const kernels::SparseRows rows{grouped.begin.const_data_ptr<std::int32_t>(),
                                 grouped.column.const_data_ptr<std::int32_t>(),
                                 grouped.entry.const_data_ptr<std::int32_t>()};
  with_kernel_type(in, [&](auto type) {
    using T = decltype(type);
    using Sum = typename kernels::SumType<T>::type;
    const kernels::SparseApplyArgs<T> args{
        rows,
        values.const_data_ptr<Sum>(),
        diagonal.defined() ? diagonal.const_data_ptr<Sum>() : nullptr,
        rows_of<T>(in),
        static_cast<T*>(out.mutable_data_ptr()),
        in.size(1)};
    at::parallel_for(0, n_, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
      kernels::sparse_apply(args, begin, end);
    });
  });
  return out;
}

at::Tensor SparsePattern::apply(const at::Tensor& values, const at::Tensor& x,
                                const at::Tensor& diagonal) const {
  if (with_kernel_type(x, [](auto) {})) return product(rows_, values, x, diagonal);
  const at::Tensor y = at::mm(dense(values).to(x.scalar_type()), x);
  return diagonal.defined() ? y + diagonal.unsqueeze(1).to(x.scalar_type()) * x : y;
}

at::Tensor SparsePattern::apply_transposed(const at::Tensor& values, const at::Tensor& x,
                                           const at::Tensor& diagonal) const {
  if (with_kernel_type(x, [](auto) {})) return product(columns_, values, x, diagonal);
  const at::Tensor y = at::mm(dense(values).t().to(x.scalar_type()), x);
  return diagonal.defined() ? y + diagonal.unsqueeze(1).to(x.scalar_type()) * x : y;
}

at::Tensor SparsePattern::mixed(const Grouped& grouped, const at::Tensor& values,
                                const at::Tensor& x, const at::Tensor& diagonal) const {
  const at::Tensor in = x.contiguous();
  const at::Tensor in_order = values.index_select(0, grouped.entry);
  const std::int64_t width = in.size(1);
  at::Tensor out = at::empty({width, n_}, in.options());
  with_kernel_type(in, [&](auto type) {
    using T = decltype(type);
    using Sum = typename kernels::SumType<T>::type;
    const std::int64_t tiles = (width + kernels::kMixTokens - 1) / kernels::kMixTokens;
    at::parallel_for(0, tiles, 1, [&](std::int64_t begin, std::int64_t end) {
      const at::Tensor scratch = at::empty({n_, kernels::kMixTokens}, in_order.options());
      const kernels::SparseMixArgs<T> args{
          grouped.begin.const_data_ptr<std::int32_t>(),
          grouped.column.const_data_ptr<std::int32_t>(),
          in_order.const_data_ptr<Sum>(),
          diagonal.defined() ? diagonal.const_data_ptr<Sum>() : nullptr,
          rows_of<T>(in),
          static_cast<T*>(out.mutable_data_ptr()),
          n_,
          width,
          scratch.mutable_data_ptr<Sum>()};
      for (std::int64_t tile = begin; tile < end; ++tile) {
        const std::int64_t first = tile * kernels::kMixTokens;
        kernels::sparse_mix(args, first, std::min(first + kernels::kMixTokens, width));
      }
    });
  });
  return out;
}

at::Tensor SparsePattern::mix(const at::Tensor& values, const at::Tensor& x,
                              const at::Tensor& diagonal) const {
  const bool fast = x.size(1) >= kFewTokens && with_kernel_type(x, [](auto) {});
  return fast ? mixed(rows_, values, x, diagonal) : apply(values, x, diagonal).t().contiguous();
}

at::Tensor SparsePattern::mix_transposed(const at::Tensor& values, const at::Tensor& x,
                                         const at::Tensor& diagonal) const {
  const bool fast = x.size(1) >= kFewTokens && with_kernel_type(x, [](auto) {});
  return fast ? mixed(columns_, values, x, diagonal)
              : apply_transposed(values, x, diagonal).t().contiguous();
}

at::Tensor SparsePattern::sampled_product(const at::Tensor& left, const at::Tensor& right) const {
  const at::Tensor a = left.contiguous(), b = right.contiguous();
  at::Tensor out = at::empty({count()}, a.options().dtype(sum_type(a)));
  const kernels::SparseRows rows{rows_.begin.const_data_ptr<std::int32_t>(),
                                 rows_.column.const_data_ptr<std::int32_t>(),
                                 rows_.entry.const_data_ptr<std::int32_t>()};
  const bool done = with_kernel_type(a, [&](auto type) {
    using T = decltype(type);
    using Sum = typename kernels::SumType<T>::type;
    const kernels::SampledDotArgs<T> args{rows, rows_of<T>(a), rows_of<T>(b),
                                          out.mutable_data_ptr<Sum>(), a.size(1)};
    at::parallel_for(0, n_, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
      kernels::sampled_dot(args, begin, end);
    });
  });
  if (done) return out;
  const at::Tensor full = at::mm(a.to(sum_type(a)), b.to(sum_type(a)).t());
  return full.flatten().index_select(0, flat_.to(a.device()));
}

at::Tensor SparsePattern::dense(const at::Tensor& values) const {
  at::Tensor matrix = at::zeros({n_ * n_}, values.options());
  matrix.index_copy_(0, flat_.to(values.device()), values);
  return matrix.view({n_, n_});
}

}  // namespace svtune
