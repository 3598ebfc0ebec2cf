#include "nn/convolution.h"

#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

// The row that lies `shift` tokens behind each row in its document; the number of rows where there
// is none.
at::Tensor shifted_rows(const std::vector<std::int32_t>& offsets, std::int64_t shift) {
  const std::int64_t rows = offsets.back();
  std::vector<std::int64_t> from(static_cast<std::size_t>(rows), rows);
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::int64_t begin = offsets[s], end = offsets[s + 1];
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int64_t source = t + shift;
      if (source >= begin && source < end) from[static_cast<std::size_t>(t)] = source;
    }
  }
  return at::tensor(from, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

Convolution::Convolution(std::string name, at::Tensor weight, at::Tensor bias)
    : name_(std::move(name)), weight_(std::move(weight)), bias_(std::move(bias)) {}

at::Tensor Convolution::forward(const at::Tensor& x,
                                const std::vector<std::int32_t>& offsets) const {
  const std::int64_t taps = weight_.size(2);
  const at::Tensor padded = at::cat({x, at::zeros({1, x.size(1)}, x.options())}, 0);
  std::vector<at::Tensor> inputs;
  for (std::int64_t j = 0; j < taps; ++j) {
    const at::Tensor rows = shifted_rows(offsets, j - taps / 2).to(x.device());
    inputs.push_back(padded.index_select(0, rows));
  }
  // One product: the inputs lie tap by tap, and so do the columns of the matrix.
  const at::Tensor matrix =
      weight_.to(x.scalar_type()).permute({0, 2, 1}).reshape({weight_.size(0), -1});
  return at::linear(at::cat(inputs, 1), matrix, bias_.to(x.scalar_type()));
}

}  // namespace svtune
