#include "nn/narrow_product.h"

#include <algorithm>

#include "libtorch/prelude.h"
#include "nn/kernels/few_rows.h"

namespace svtune {
namespace {

constexpr std::int64_t kPieceElements = std::int64_t{1} << 20;
// Below, reading the matrix costs more than multiplying with it.
constexpr std::int64_t kFewRows = 8;
constexpr std::int64_t kOutputsPerTask = 64;

at::Tensor& piece_buffer() {
  thread_local at::Tensor buffer;
  return buffer;
}

// Calls work(first, count, widened rows) for each piece of the matrix, in order.
template <class Work>
void for_each_piece(const at::Tensor& stored, at::ScalarType dtype, const Work& work) {
  const std::int64_t out = stored.size(0), in = stored.size(1);
  const std::int64_t step = std::min(out, std::max<std::int64_t>(64, kPieceElements / in));
  at::Tensor& buffer = piece_buffer();
  if (!buffer.defined() || buffer.scalar_type() != dtype || buffer.numel() < step * in) {
    buffer = at::Tensor();
    buffer = at::empty({std::max(step * in, kPieceElements)}, stored.options().dtype(dtype));
  }
  for (std::int64_t first = 0; first < out; first += step) {
    const std::int64_t count = std::min(step, out - first);
    const at::Tensor piece = buffer.narrow(0, 0, count * in).view({count, in});
    piece.copy_(stored.narrow(0, first, count));
    work(first, count, piece);
  }
}

bool has_few_rows_kernel(const at::Tensor& x, const at::Tensor& stored) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && stored.scalar_type() == at::kBFloat16 &&
         stored.is_contiguous() && x.size(0) <= kFewRows;
}

at::Tensor few_rows_product(const at::Tensor& x, const at::Tensor& stored) {
  const at::Tensor rows = x.contiguous();
  const at::Tensor y = at::empty({rows.size(0), stored.size(0)}, x.options());
  const kernels::FewRowsArgs args{rows.const_data_ptr<float>(),
                                  static_cast<const kernels::Bf16*>(stored.const_data_ptr()),
                                  y.mutable_data_ptr<float>(),
                                  rows.size(0),
                                  stored.size(0),
                                  stored.size(1)};
  // Blocks of fixed size: the sums do not depend on the number of threads.
  const std::int64_t blocks = (args.out + kOutputsPerTask - 1) / kOutputsPerTask;
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    kernels::few_rows(args, begin * kOutputsPerTask, std::min(args.out, end * kOutputsPerTask));
  });
  return y;
}

// sum = beta sum + grad W.
void add_pieces(const at::Tensor& sum, const at::Tensor& grad, const at::Tensor& stored,
                double beta_of_first) {
  for_each_piece(stored, grad.scalar_type(),
                 [&](std::int64_t first, std::int64_t count, const at::Tensor& piece) {
                   sum.addmm_(grad.narrow(1, first, count), piece, first == 0 ? beta_of_first : 1);
                 });
}

}  // namespace

bool is_narrower(at::ScalarType stored, at::ScalarType compute) {
  const bool narrow = stored == at::kBFloat16 || stored == at::kHalf;
  return narrow && (compute == at::kFloat || compute == at::kDouble);
}

at::Tensor narrow_product(const at::Tensor& x, const at::Tensor& stored) {
  const at::NoGradGuard no_grad;
  if (has_few_rows_kernel(x, stored)) return few_rows_product(x, stored);
  at::Tensor y = at::empty({x.size(0), stored.size(0)}, x.options());
  for_each_piece(stored, x.scalar_type(),
                 [&](std::int64_t first, std::int64_t count, const at::Tensor& piece) {
                   at::Tensor columns = y.narrow(1, first, count);
                   at::mm_out(columns, x, piece.t());
                 });
  return y;
}

at::Tensor narrow_product_transposed(const at::Tensor& grad, const at::Tensor& stored) {
  const at::NoGradGuard no_grad;
  at::Tensor sum = at::empty({grad.size(0), stored.size(1)}, grad.options());
  add_pieces(sum, grad, stored, /*beta_of_first=*/0);
  return sum;
}

void add_narrow_product_transposed(const at::Tensor& sum, const at::Tensor& grad,
                                   const at::Tensor& stored) {
  const at::NoGradGuard no_grad;
  add_pieces(sum, grad, stored, /*beta_of_first=*/1);
}

void release_piece_buffer() { piece_buffer() = at::Tensor(); }

}  // namespace svtune
