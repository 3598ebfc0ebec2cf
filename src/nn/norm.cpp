#include "nn/norm.h"

#include <optional>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {

Norm::Norm(std::string name, at::Tensor weight, RmsNormSpec spec)
    : name_(std::move(name)), weight_(std::move(weight)), rms_(spec) {}

Norm::Norm(std::string name, at::Tensor weight, at::Tensor bias, LayerNormSpec spec)
    : name_(std::move(name)),
      weight_(std::move(weight)),
      bias_(std::move(bias)),
      is_rms_(false),
      layer_(spec) {}

at::Tensor Norm::forward(const at::Tensor& x) const {
  if (!exists()) return x;
  if (is_rms_) return rms_norm(x, weight_, rms_);
  const at::ScalarType dtype = x.scalar_type();
  std::optional<at::Tensor> bias;
  if (bias_.defined()) bias = bias_.to(dtype);
  return at::layer_norm(x, {x.size(-1)}, weight_.to(dtype), bias, layer_.eps);
}

}  // namespace svtune
