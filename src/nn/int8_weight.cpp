#include "nn/int8_weight.h"

#include <ATen/ops/_int_mm.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/int8_rows.h"

namespace svtune {
namespace {

constexpr double kCodes = 127;
constexpr std::int64_t kExactColumns = 32;
// Sums of products of codes must stay below 2^31; files may hold -128.
constexpr std::int64_t kMaxColumns = (std::int64_t{1} << 31) / (127 * 128) - 1;
// int32 sums alive at a time, 32 MiB. A product of fewer rows reads the weight's codes as often.
constexpr std::int64_t kSumElements = std::int64_t{1} << 23;

at::Tensor codes_product(std::int8_t left, std::int8_t right) {
  const auto options = at::TensorOptions().dtype(at::kChar);
  return at::_int_mm(at::full({32, 64}, left, options), at::full({64, 32}, right, options));
}

// Of largest magnitude, ascending.
at::Tensor largest_columns(const at::Tensor& x) {
  const std::int64_t count = std::min(kExactColumns, x.size(1));
  const at::Tensor found = std::get<1>(column_magnitudes(x).topk(count));
  return std::get<0>(found.sort());
}

// sum (+)= rows · right, all parts of a row in one call.
void multiply(const Int8Rows& rows, const at::Tensor& right, const at::Tensor& column_scales,
              const at::Tensor& sum, bool accumulate) {
  const std::int64_t count = rows.scales.size(0), columns = right.size(1), parts = rows.parts();
  if (count == 0) return;
  // Pieces of one size: a short one would read all codes for a few rows.
  const std::int64_t most = std::max<std::int64_t>(16, kSumElements / (parts * columns));
  const std::int64_t pieces = (count + most - 1) / most, step = (count + pieces - 1) / pieces;
  const at::Tensor left = rows.codes.view({count * parts, rows.codes.size(2)});
  at::Tensor products = at::empty({step * parts, columns}, left.options().dtype(at::kInt));
  for (std::int64_t begin = 0; begin < count; begin += step) {
    const std::int64_t size = std::min(step, count - begin);
    at::Tensor block = products.narrow(0, 0, size * parts);
    at::_int_mm_out(block, left.narrow(0, begin * parts, size * parts), right);
    combine_int8_sums(block.view({size, parts, columns}), rows.scales.narrow(0, begin, size),
                      column_scales, sum.narrow(0, begin, size), accumulate);
  }
}

}  // namespace

bool int8_products_are_exact() {
  static const bool exact = [] {
    const at::NoGradGuard no_grad;
    for (const int left : {-127, 127}) {
      for (const int right : {-127, 127}) {
        const at::Tensor got =
            codes_product(static_cast<std::int8_t>(left), static_cast<std::int8_t>(right));
        if (!got.eq(64 * left * right).all().item<bool>()) return false;
      }
    }
    return true;
  }();
  return exact;
}

Int8Weight::Int8Weight(const at::Tensor& dense, Int8Input input) : input_(input) {
  const at::NoGradGuard no_grad;
  const bool half = dense.scalar_type() == at::kHalf;
  Int8Rows rows = int8_rows(half ? dense.to(at::kFloat) : dense, {}, 1);
  codes_ = rows.codes.squeeze(1);
  scales_ = std::move(rows.scales);
  check();
}

Int8Weight::Int8Weight(const QuantizedMatrix& stored, Int8Input input) : input_(input) {
  const at::NoGradGuard no_grad;
  if (stored.storage().type == QuantType::kInt8) {
    codes_ = stored.storage().codes;
    scales_ = stored.block_scales().div(kCodes);
    shares_codes_ = true;
    check();
  } else {
    *this = Int8Weight(stored.dequantize(at::kFloat), input);
  }
}

void Int8Weight::check() const {
  if (std::max(in_features(), out_features()) > kMaxColumns) {
    throw ModelError("a matrix of " + std::to_string(out_features()) + " x " +
                     std::to_string(in_features()) + " is too wide for products in int8, up to " +
                     std::to_string(kMaxColumns) + " fit");
  }
  if (!int8_products_are_exact()) {
    throw ModelError("int8 products saturate on this processor",
                     "Leave --base-compute out: the processor has no instructions for them.");
  }
}

std::int64_t Int8Weight::nbytes() const {
  const std::size_t codes = shares_codes_ ? 0 : codes_.nbytes();
  return static_cast<std::int64_t>(codes + scales_.nbytes());
}

void Int8Weight::add_product(const at::Tensor& x, const at::Tensor& sum, bool accumulate) const {
  if (input_ == Int8Input::kTwoParts || x.size(0) == 0) {
    multiply(int8_rows(x, {}, 2), codes_.t(), scales_, sum, accumulate);
    return;
  }
  const at::Tensor columns = largest_columns(x);
  const at::Tensor left = x.index_select(1, columns).to(at::kFloat);
  const at::Tensor right =
      codes_.index_select(1, columns).to(at::kFloat).mul_(scales_.unsqueeze(1)).t();
  const at::Tensor others = at::ones({in_features()}, scales_.options()).index_fill_(0, columns, 0);
  // Of bf16 the sum in fp32, which is rounded once.
  const bool own = sum.scalar_type() != at::kFloat;
  at::Tensor total = own ? sum.to(at::kFloat) : sum;
  at::addmm_out(total, total, left, right, accumulate ? 1 : 0, 1);
  multiply(int8_rows(x, others, 1), codes_.t(), scales_, total, true);
  if (own) sum.copy_(total);
}

at::Tensor Int8Weight::product(const at::Tensor& x) const {
  const at::NoGradGuard no_grad;
  at::Tensor y = at::empty({x.size(0), out_features()}, x.options());
  add_product(x, y, false);
  return y;
}

at::Tensor Int8Weight::product(const at::Tensor& x, at::Tensor sum) const {
  const at::NoGradGuard no_grad;
  add_product(x, sum, true);
  return sum;
}

at::Tensor Int8Weight::product_transposed(const at::Tensor& grad) const {
  const at::NoGradGuard no_grad;
  at::Tensor y = at::empty({grad.size(0), in_features()}, grad.options());
  multiply(int8_rows(grad, scales_, 1), codes_, {}, y, false);
  return y;
}

at::Tensor Int8Weight::product_transposed(const at::Tensor& grad, at::Tensor sum) const {
  const at::NoGradGuard no_grad;
  multiply(int8_rows(grad, scales_, 1), codes_, {}, sum, true);
  return sum;
}

at::Tensor Int8Weight::dense() const { return codes_.to(at::kFloat).mul_(scales_.unsqueeze(1)); }

}  // namespace svtune
