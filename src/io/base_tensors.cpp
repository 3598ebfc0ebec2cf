#include "io/base_tensors.h"

#include "base/errors.h"
#include "base/hash.h"
#include "io/stored_names.h"
#include "libtorch/prelude.h"

namespace svtune {

namespace {

std::string stored_name(const Model& model, const std::string& name) {
  std::vector<std::string> candidates{name};
  if (name == model.net->head().name() + ".weight" && model.spec().tied_head) {
    candidates.push_back(model.net->embedding().name() + ".weight");
  }
  for (const std::string& each : candidates) {
    if (!model.stored_names) break;
    const std::string stored = model.stored_names->of(each);
    if (model.stored_names->contains(stored)) return stored;
  }
  throw ModelError(model.path.string() + ": the checkpoint has no tensor " + name);
}

}  // namespace

at::Tensor base_tensor(const Model& model, const std::string& name, at::ScalarType dtype) {
  return *model.weights->read(stored_name(model, name), dtype);
}

std::string base_hash(const Model& model, const std::string& name) {
  return hex64(model.weights->hash(stored_name(model, name)));
}

}  // namespace svtune
