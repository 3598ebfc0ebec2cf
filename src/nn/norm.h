// A normalisation over the last dimension: RMSNorm, or LayerNorm with or without a bias.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "nn/ops/rowwise.h"

namespace svtune {

struct LayerNormSpec {
  double eps = 1e-5;
  bool bias = true;  // else it scales alone
};

class Norm {
 public:
  Norm() = default;  // none: a part that a family leaves out
  // `name` is the checkpoint's module path; weight and bias are [width], the bias undefined where
  // there is none.
  Norm(std::string name, at::Tensor weight, RmsNormSpec spec);
  Norm(std::string name, at::Tensor weight, at::Tensor bias, LayerNormSpec spec);

  bool exists() const { return !name_.empty(); }
  // [..., width] -> [..., width]; x itself where there is none
  at::Tensor forward(const at::Tensor& x) const;

  const std::string& name() const { return name_; }
  at::Tensor& weight() { return weight_; }
  at::Tensor& bias() { return bias_; }  // undefined where there is none

 private:
  std::string name_;
  at::Tensor weight_, bias_;
  bool is_rms_ = true;
  RmsNormSpec rms_;
  LayerNormSpec layer_;
};

}  // namespace svtune
