// A tensor with the name it carries in files.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace svtune {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

}  // namespace svtune
