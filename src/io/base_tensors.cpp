#include "io/base_tensors.h"

#include <algorithm>

#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"

namespace svtune {

std::string stored_name(const Model& model, const std::string& name) {
  const std::vector<std::string> names = model.weights->names();
  std::vector<std::string> candidates{name};
  if (name == model.net->head().name() + ".weight" && model.spec().tied_head) {
    candidates.push_back(model.net->embedding().name() + ".weight");
  }
  const std::string& prefix = model.spec().base_prefix;
  if (!prefix.empty() && candidates.back().starts_with(prefix)) {
    candidates.push_back(candidates.back().substr(prefix.size()));
  }
  for (const std::string& candidate : candidates) {
    if (std::ranges::count(names, candidate) > 0) return candidate;
  }
  throw ModelError(model.path.string() + ": the checkpoint has no tensor " + name);
}

at::Tensor base_tensor(const Model& model, const std::string& name, at::ScalarType dtype) {
  return *model.weights->read(stored_name(model, name), dtype);
}

std::string base_hash(const Model& model, const std::string& name) {
  return hex64(model.weights->hash(stored_name(model, name)));
}

}  // namespace svtune
