// A convolution along the tokens of each document.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace svtune {

class Convolution {
 public:
  Convolution() = default;  // none: a part that a family leaves out
  // `name` is the checkpoint's module path; weight [out, in, taps], an odd number of them; bias
  // [out].
  Convolution(std::string name, at::Tensor weight, at::Tensor bias);

  bool exists() const { return !name_.empty(); }
  // x [N, in] -> [N, out]: row t is bias + Σ weight[.., j] x[t + j - taps / 2] over the taps j,
  // with zeros beyond the ends of t's document. Document s is rows offsets[s] to offsets[s + 1].
  at::Tensor forward(const at::Tensor& x, const std::vector<std::int32_t>& offsets) const;

  const std::string& name() const { return name_; }
  const at::Tensor& weight() const { return weight_; }
  at::Tensor& weight() { return weight_; }
  at::Tensor& bias() { return bias_; }

 private:
  std::string name_;
  at::Tensor weight_, bias_;
};

}  // namespace svtune
