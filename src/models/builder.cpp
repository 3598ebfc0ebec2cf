#include "models/builder.h"

#include "libtorch/prelude.h"

namespace svtune {

Linear Builder::linear(const std::string& path, std::int64_t out, std::int64_t in,
                       bool bias) const {
  const std::string name = prefix_ + path, weight_name = name + ".weight";
  BaseWeight weight;
  if (load_.matrix) {
    weight = load_.matrix(weight_name, out, in);
  } else if (at::Tensor dense = load_.tensor(weight_name, {out, in}); dense.defined()) {
    weight = BaseWeight(std::move(dense));
  }
  at::Tensor bias_values = bias ? load_.tensor(name + ".bias", {out}) : at::Tensor();
  // The loader has noted what is missing and fails at its end; any matrix will do until then.
  if (!weight.defined()) weight = BaseWeight(at::empty({out, in}));
  return Linear(name, std::move(weight), std::move(bias_values));
}

Norm Builder::rms_norm(const std::string& path, std::int64_t width, RmsNormSpec spec) const {
  const std::string name = prefix_ + path;
  return {name, load_.tensor(name + ".weight", {width}), spec};
}

Norm Builder::layer_norm(const std::string& path, std::int64_t width, LayerNormSpec spec) const {
  const std::string name = prefix_ + path;
  at::Tensor weight = load_.tensor(name + ".weight", {width});
  at::Tensor bias = spec.bias ? load_.tensor(name + ".bias", {width}) : at::Tensor();
  return {name, std::move(weight), std::move(bias), spec};
}

Embedding Builder::embedding(const std::string& path, std::int64_t rows, std::int64_t width) const {
  const std::string name = prefix_ + path;
  return {name, load_.tensor(name + ".weight", {rows, width})};
}

FreeTensor Builder::tensor(const std::string& path, const std::vector<std::int64_t>& shape) const {
  const std::string name = prefix_ + path;
  return {name, load_.tensor(name, shape)};
}

Convolution Builder::convolution(const std::string& path, std::int64_t width,
                                 std::int64_t taps) const {
  const std::string name = prefix_ + path;
  at::Tensor weight = load_.tensor(name + ".weight", {width, width, taps});
  return {name, std::move(weight), load_.tensor(name + ".bias", {width})};
}

Linear Builder::tied(const std::string& path, const Embedding& table, bool bias) const {
  const at::Tensor& weight = table.weight();
  const std::string own = prefix_ + path + ".weight", shared = table.name() + ".weight";
  if (weight.defined() && load_.differs && load_.differs(own, shared)) {
    return linear(path, weight.size(0), weight.size(1), bias);
  }
  if (!weight.defined()) return Linear(prefix_ + path, BaseWeight(at::empty({1, 1})));
  at::Tensor bias_values =
      bias ? load_.tensor(prefix_ + path + ".bias", {weight.size(0)}) : at::Tensor();
  return Linear(prefix_ + path, BaseWeight(weight, load_.compute.value_or(weight.scalar_type())),
                std::move(bias_values));
}

}  // namespace svtune
