// Carries a base weight from forward to backward.
#pragma once

#include <torch/custom_class.h>

#include <utility>

#include "nn/base_weight.h"

namespace svtune {

struct BaseHolder : torch::CustomClassHolder {
  explicit BaseHolder(BaseWeight weight) : base(std::move(weight)) {}
  BaseWeight base;
};

}  // namespace svtune
