#include "nn/base_weight.h"

#include <utility>

#include "base/errors.h"
#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/int8_weight.h"
#include "nn/narrow_product.h"
#include "nn/ops/thin_products.h"

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

// Carries the weight from forward to backward.
struct WeightHolder : torch::CustomClassHolder {
  explicit WeightHolder(BaseWeight w) : weight(std::move(w)) {}
  BaseWeight weight;
};

// x Wᵀ of a matrix that is not stored as products take it: backward makes it again instead of
// keeping a copy.
struct StoredLinear : torch::autograd::Function<StoredLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const c10::intrusive_ptr<WeightHolder>& holder) {
    ctx->saved_data["weight"] = c10::IValue::make_capsule(holder);
    return holder->weight.matmul(x);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto holder =
        c10::static_intrusive_pointer_cast<WeightHolder>(ctx->saved_data["weight"].toCapsule());
    return {holder->weight.matmul_transposed(grads[0]), at::Tensor()};
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

bool is_16_bit(at::ScalarType dtype) { return dtype == at::kBFloat16 || dtype == at::kHalf; }

// product + branch, in place.
at::Tensor with_branch(at::Tensor product, const ThinProduct& branch) {
  if (branch.mask.defined()) {
    product.add_(at::mm(branch.left, branch.right).mul_(branch.mask), branch.scale);
  } else {
    add_from_thin(product, branch.left, branch.right, branch.scale);
  }
  return branch.bias.defined() ? product.add_(branch.bias.to(product.scalar_type())) : product;
}

}  // namespace

void release_product_buffers() {
  product_buffer() = at::Tensor();
  release_piece_buffer();
}

BaseWeight::BaseWeight(at::Tensor dense) : dense_(std::move(dense)) {
  if (dense_.dim() != 2 || !at::isFloatingType(dense_.scalar_type())) {
    throw ModelError("base weight must be a floating-point matrix [out, in]");
  }
  dtype_ = dense_.scalar_type();
}

BaseWeight::BaseWeight(at::Tensor stored, at::ScalarType compute) : BaseWeight(std::move(stored)) {
  if (compute != dtype_ && !is_narrower(dtype_, compute)) {
    throw ModelError("base weight: its products cannot be computed in this dtype");
  }
  dtype_ = compute;
}

BaseWeight::BaseWeight(std::shared_ptr<const QuantizedMatrix> quantized, at::ScalarType compute)
    : quantized_(std::move(quantized)), dtype_(compute) {}

BaseWeight BaseWeight::with_int8_products(Int8Input input) const {
  if (dtype_ != at::kFloat && dtype_ != at::kBFloat16) {
    throw ModelError("base weight: products in int8 go with fp32 or bf16 around them");
  }
  BaseWeight weight = *this;
  weight.int8_ = quantized_ ? std::make_shared<Int8Weight>(*quantized_, input)
                            : std::make_shared<Int8Weight>(dense_, input);
  return weight;
}

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
  if (quantized_) return quantized_->held_bytes();
  return dense_.defined() ? static_cast<std::int64_t>(dense_.nbytes()) : 0;
}

at::Tensor BaseWeight::matmul(const at::Tensor& x) const {
  const bool as_stored = !quantized_ && !is_narrow() && !int8_;
  if (!as_stored && at::GradMode::is_enabled() && x.requires_grad()) {
    return StoredLinear::apply(x, c10::make_intrusive<WeightHolder>(*this));
  }
  return product(x);
}

at::Tensor BaseWeight::matmul_transposed(const at::Tensor& grad) const {
  return product_transposed(grad);
}

// The products of 16-bit types accumulate in fp32 what they start from, so the small term goes
// first and the large product onto it.
at::Tensor BaseWeight::matmul(const at::Tensor& x, const ThinProduct& branch) const {
  if (int8_) return int8_->product(x, rounded(branch));
  if (is_16_bit(dtype_)) return rounded(branch).addmm_(x, operand().t());
  return with_branch(product(x), branch);
}

at::Tensor BaseWeight::matmul_transposed(const at::Tensor& grad, const ThinProduct& branch) const {
  if (int8_) return int8_->product_transposed(grad, rounded(branch));
  if (is_16_bit(dtype_)) return rounded(branch).addmm_(grad, operand());
  return with_branch(product_transposed(grad), branch);
}

void BaseWeight::add_matmul_transposed(at::Tensor& sum, const at::Tensor& grad) const {
  if (int8_) {
    sum = int8_->product_transposed(grad, sum);
  } else if (is_narrow()) {
    add_narrow_product_transposed(sum, grad, dense_);
  } else {
    sum.addmm_(grad, operand());
  }
}

at::Tensor BaseWeight::product(const at::Tensor& x) const {
  if (int8_) return int8_->product(x);
  return is_narrow() ? narrow_product(x, dense_) : at::linear(x, operand());
}

at::Tensor BaseWeight::product_transposed(const at::Tensor& grad) const {
  if (int8_) return int8_->product_transposed(grad);
  return is_narrow() ? narrow_product_transposed(grad, dense_) : at::mm(grad, operand());
}

at::Tensor BaseWeight::operand() const {
  return quantized_ ? dequantized_in_buffer(*quantized_, dtype_) : dense_;
}

at::Tensor BaseWeight::dense() const {
  return quantized_ ? quantized_->dequantize(dtype_) : dense_.to(dtype_);
}

at::Tensor BaseWeight::dense_high_precision() const {
  const at::ScalarType high = dtype_ == at::kDouble ? at::kDouble : at::kFloat;
  return quantized_ ? quantized_->dequantize(high) : dense_.to(high);
}

}  // namespace svtune
