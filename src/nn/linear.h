// The only linear layer of any model: y = adapter(x, base) or x Wᵀ, plus a bias.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/adapter.h"
#include "nn/base_weight.h"

namespace svtune {

class Linear {
 public:
  Linear() = default;
  // `name` is the checkpoint's module path, e.g. "model.layers.0.self_attn.q_proj".
  // `bias` is [out] or undefined.
  Linear(std::string name, BaseWeight base, at::Tensor bias = {});

  at::Tensor forward(const at::Tensor& x);  // [T, in] -> [T, out]
  at::Tensor with_bias(const at::Tensor& y) const;

  const std::string& name() const { return name_; }
  std::int64_t in_features() const { return in_features_; }
  std::int64_t out_features() const { return out_features_; }
  const BaseWeight& base() const { return base_; }
  at::Tensor& bias() { return bias_; }
  const at::Tensor& bias() const { return bias_; }

  Adapter* adapter() const { return adapter_.get(); }
  // Throws ModelError when the layer already carries an adapter.
  void attach(std::unique_ptr<Adapter> adapter);
  std::unique_ptr<Adapter> detach();
  // Gives the base's memory back; only for an adapter that owns the whole product.
  void release_base() { base_ = BaseWeight(); }
  void replace_base(BaseWeight base);

  // The weight [out, in] with the adapter's effect, fp32 (fp64 for an fp64 base).
  at::Tensor effective_weight() const;

 private:
  std::string name_;
  std::int64_t in_features_ = 0;
  std::int64_t out_features_ = 0;
  BaseWeight base_;
  at::Tensor bias_;
  std::unique_ptr<Adapter> adapter_;
};

// y of each layer, of an input that all of them read.
std::vector<at::Tensor> forward_together(const std::vector<Linear*>& layers, const at::Tensor& x);

std::vector<std::string> names_of(const std::vector<Linear*>& layers);

}  // namespace svtune
