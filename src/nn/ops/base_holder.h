// What gradients of our own need: a base weight carried from forward to backward.
#pragma once

#include <torch/custom_class.h>

#include <optional>
#include <utility>

#include "nn/base_weight.h"

namespace svtune {

struct BaseHolder : torch::CustomClassHolder {
  explicit BaseHolder(BaseWeight weight) : base(std::move(weight)) {}
  BaseWeight base;
};

// As Function::apply takes a tensor that may be undefined.
inline std::optional<at::Tensor> present(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

}  // namespace svtune
