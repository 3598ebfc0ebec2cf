#include "nn/base_weight.h"

#include <utility>

#include "base/errors.h"
#include "libtorch/autograd.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// It grows to the largest matrix and stays: the products of a model reuse it layer after layer.
at::Tensor& product_buffer() {
  thread_local at::Tensor buffer;
  return buffer;
}

// The matrix in the buffer of this thread, valid until the next call.
at::Tensor dequantized_in_buffer(const QuantizedMatrix& matrix, at::ScalarType dtype) {
  at::Tensor& buffer = product_buffer();
  const std::int64_t count = matrix.out_features() * matrix.in_features();
  if (!buffer.defined() || buffer.scalar_type() != dtype || buffer.numel() < count) {
    buffer = at::Tensor();  // give the old one back first
    buffer = at::empty({count}, at::TensorOptions().dtype(dtype));
  }
  const at::Tensor dense =
      buffer.narrow(0, 0, count).view({matrix.out_features(), matrix.in_features()});
  matrix.dequantize_into(dense);
  return dense;
}

// Carries the matrix from forward to backward.
struct MatrixHolder : torch::CustomClassHolder {
  explicit MatrixHolder(std::shared_ptr<const QuantizedMatrix> m) : matrix(std::move(m)) {}
  std::shared_ptr<const QuantizedMatrix> matrix;
};

// x Wᵀ that dequantises again in backward instead of keeping a dense W.
struct QuantizedLinear : torch::autograd::Function<QuantizedLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const c10::intrusive_ptr<MatrixHolder>& holder) {
    ctx->saved_data["matrix"] = c10::IValue::make_capsule(holder);
    return at::linear(x, dequantized_in_buffer(*holder->matrix, x.scalar_type()));
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto holder =
        c10::static_intrusive_pointer_cast<MatrixHolder>(ctx->saved_data["matrix"].toCapsule());
    const at::Tensor& grad = grads[0];
    return {at::mm(grad, dequantized_in_buffer(*holder->matrix, grad.scalar_type())), at::Tensor()};
  }
};

// The branch in x's dtype; its own rounding is relative to itself.
at::Tensor rounded(const ThinProduct& branch) {
  at::Tensor sum;
  if (branch.bias.defined()) {
    sum = at::addmm(branch.bias.to(branch.left.scalar_type()), branch.left, branch.right, 1,
                    branch.scale);
  } else {
    sum = at::empty({branch.left.size(0), branch.right.size(1)}, branch.left.options());
    sum.addmm_(branch.left, branch.right, 0, branch.scale);
  }
  return branch.mask.defined() ? sum.mul_(branch.mask) : sum;
}

// x · weight + branch, weight [k, n]. The products of 16-bit types accumulate in fp32 what they
// start from, so the small term goes first and the large product onto it.
at::Tensor product_sum(const at::Tensor& x, const at::Tensor& weight, const ThinProduct& branch) {
  if (x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf) {
    return rounded(branch).addmm_(x, weight);
  }
  at::Tensor sum = at::mm(x, weight);
  if (branch.mask.defined()) {
    sum.add_(at::mm(branch.left, branch.right).mul_(branch.mask), branch.scale);
  } else {
    sum.addmm_(branch.left, branch.right, 1, branch.scale);
  }
  return branch.bias.defined() ? sum.add_(branch.bias.to(sum.scalar_type())) : sum;
}

}  // namespace

void release_product_buffer() { product_buffer() = at::Tensor(); }

BaseWeight::BaseWeight(at::Tensor dense) : dense_(std::move(dense)) {
  if (dense_.dim() != 2 || !at::isFloatingType(dense_.scalar_type())) {
    throw ModelError("base weight must be a floating-point matrix [out, in]");
  }
  dtype_ = dense_.scalar_type();
}

BaseWeight::BaseWeight(std::shared_ptr<const QuantizedMatrix> quantized, at::ScalarType compute)
    : quantized_(std::move(quantized)), dtype_(compute) {}

std::int64_t BaseWeight::out_features() const {
  return quantized_ ? quantized_->out_features() : dense_.size(0);
}

std::int64_t BaseWeight::in_features() const {
  return quantized_ ? quantized_->in_features() : dense_.size(1);
}

at::Device BaseWeight::device() const {
  return quantized_ ? quantized_->storage().codes.device() : dense_.device();
}

std::int64_t BaseWeight::nbytes() const {
  if (quantized_) return quantized_->nbytes();
  return dense_.defined() ? static_cast<std::int64_t>(dense_.nbytes()) : 0;
}

at::Tensor BaseWeight::matmul(const at::Tensor& x) const {
  if (!quantized_) return at::linear(x, dense_);
  if (at::GradMode::is_enabled() && x.requires_grad()) {
    return QuantizedLinear::apply(x, c10::make_intrusive<MatrixHolder>(quantized_));
  }
  return at::linear(x, operand());
}

at::Tensor BaseWeight::matmul(const at::Tensor& x, const ThinProduct& branch) const {
  return product_sum(x, operand().t(), branch);
}

at::Tensor BaseWeight::matmul_transposed(const at::Tensor& grad, const ThinProduct& branch) const {
  return product_sum(grad, operand(), branch);
}

at::Tensor BaseWeight::matmul_transposed(const at::Tensor& grad) const {
  return at::mm(grad, operand());
}

at::Tensor BaseWeight::operand() const {
  return quantized_ ? dequantized_in_buffer(*quantized_, dtype_) : dense_;
}

at::Tensor BaseWeight::dense() const {
  return quantized_ ? quantized_->dequantize(dtype_) : dense_;
}

at::Tensor BaseWeight::dense_high_precision() const {
  const at::ScalarType high = dtype_ == at::kDouble ? at::kDouble : at::kFloat;
  return quantized_ ? quantized_->dequantize(high) : dense_.to(high);
}

}  // namespace svtune
