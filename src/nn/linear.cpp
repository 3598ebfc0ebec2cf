#include "nn/linear.h"

#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {

Linear::Linear(std::string name, BaseWeight base, at::Tensor bias)
    : name_(std::move(name)),
      in_features_(base.in_features()),
      out_features_(base.out_features()),
      base_(std::move(base)),
      bias_(std::move(bias)) {}

at::Tensor Linear::forward(const at::Tensor& x) {
  at::Tensor y = adapter_ ? adapter_->forward(x, base_) : base_.matmul(x);
  if (!bias_.defined()) return y;
  return y + (bias_.scalar_type() == y.scalar_type() ? bias_ : bias_.to(y.scalar_type()));
}

void Linear::attach(std::unique_ptr<Adapter> adapter) {
  if (adapter_) throw ModelError(name_ + ": the layer already carries an adapter");
  adapter_ = std::move(adapter);
}

std::unique_ptr<Adapter> Linear::detach() { return std::move(adapter_); }

void Linear::replace_base(BaseWeight base) {
  if (base.in_features() != in_features_ || base.out_features() != out_features_) {
    throw ModelError(name_ + ": a replacement weight must keep the shape [" +
                     std::to_string(out_features_) + ", " + std::to_string(in_features_) + "]");
  }
  base_ = std::move(base);
}

at::Tensor Linear::effective_weight() const {
  return adapter_ ? adapter_->merged_weight(base_) : base_.dense_high_precision();
}

std::vector<std::string> names_of(const std::vector<Linear*>& layers) {
  std::vector<std::string> names;
  for (const Linear* layer : layers) names.push_back(layer->name());
  return names;
}

}  // namespace svtune
