#include "io/base_tensors.h"

#include <optional>
#include <vector>

#include "base/errors.h"
#include "base/hash.h"
#include "io/stored_names.h"
#include "libtorch/prelude.h"

namespace svtune {

namespace {

std::optional<std::string> find_stored(const Model& model, const std::string& name) {
  std::vector<std::string> candidates{name};
  if (name == model.net->head().name() + ".weight" && model.spec().tied_head) {
    candidates.push_back(model.net->embedding().name() + ".weight");
  }
  for (const std::string& each : candidates) {
    if (!model.stored_names) break;
    const std::string stored = model.stored_names->of(each);
    if (model.stored_names->contains(stored)) return stored;
  }
  return std::nullopt;
}

std::string stored_name(const Model& model, const std::string& name) {
  if (const auto stored = find_stored(model, name)) return *stored;
  throw ModelError(model.path.string() + ": the checkpoint has no tensor " + name);
}

}  // namespace

at::Tensor base_tensor(const Model& model, const std::string& name, at::ScalarType dtype) {
  return *model.weights->read(stored_name(model, name), dtype);
}

at::ScalarType kept_dtype(const Model& model, const std::string& name, at::ScalarType most) {
  const std::optional<std::string> stored = find_stored(model, name);
  const auto own = stored ? model.weights->value_dtype(*stored) : std::nullopt;
  const bool wide =
      own && at::isFloatingType(*own) && at::elementSize(*own) >= at::elementSize(most);
  return wide ? *own : most;
}

std::string base_hash(const Model& model, const std::string& name) {
  return hex64(model.weights->hash(stored_name(model, name)));
}

}  // namespace svtune
