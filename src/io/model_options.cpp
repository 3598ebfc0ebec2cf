#include "io/model_options.h"

namespace svtune {

std::optional<at::ScalarType> scalar_type(ComputeDtype dtype) {
  switch (dtype) {
    case ComputeDtype::kFp32:
      return at::kFloat;
    case ComputeDtype::kBf16:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

}  // namespace svtune
