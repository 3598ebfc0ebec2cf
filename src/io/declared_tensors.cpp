#include "io/declared_tensors.h"

#include "libtorch/prelude.h"
#include "models/families.h"
#include "models/network.h"

namespace svtune {

TensorShapes declared_tensors(const Json& config, const std::string& source) {
  TensorShapes shapes;
  const auto declare = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    shapes[name] = shape;
    return at::empty(shape, at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
  };
  const Network net(parse_arch(config, source), declare);
  return shapes;
}

}  // namespace svtune
