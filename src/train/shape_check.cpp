#include "train/shape_check.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libtorch/prelude.h"
#include "train/memory_plan.h"
#include "train/quantize_plan.h"
#include "train/session_adapters.h"
#include "train/session_memory.h"

namespace svtune {
namespace {

// The dtypes of a network's tensors by their names, without the matrices of linear layers.
std::map<std::string, at::ScalarType> dtypes_of(Network& net) {
  std::map<std::string, at::ScalarType> dtypes;
  for (const NamedParameter& each : net.parameters()) {
    dtypes[each.name] = each.tensor->scalar_type();
  }
  return dtypes;
}

// The model with matrices that have shapes and no storage; quantised ones are shared.
Model shapes_of(const Model& model) {
  Network& net = *model.net;
  const std::map<std::string, at::ScalarType> dtypes = dtypes_of(net);
  std::map<std::string, const BaseWeight*> matrices;
  for (const Linear* layer : net.linears()) matrices[layer->name() + ".weight"] = &layer->base();
  const auto empty = [](const std::vector<std::int64_t>& shape, at::ScalarType dtype) {
    return at::empty(shape, at::TensorOptions().dtype(dtype).device(at::kMeta));
  };
  WeightLoader load(
      [&](const std::string& name, const std::vector<std::int64_t>& shape) {
        const auto known = dtypes.find(name);
        return empty(shape, known == dtypes.end() ? net.dtype() : known->second);
      },
      [&](const std::string& name, std::int64_t out, std::int64_t in) {
        const auto known = matrices.find(name);
        const bool defined = known != matrices.end() && known->second->defined();
        if (defined && known->second->quantized()) {
          return BaseWeight(known->second->quantized(), net.dtype());
        }
        const at::ScalarType stored = defined ? known->second->stored().scalar_type() : net.dtype();
        return BaseWeight(empty({out, in}, stored), net.dtype());
      });
  load.compute = net.dtype();
  load.differs = [&](const std::string&, const std::string&) { return !net.head_is_tied(); };
  Model shapes;
  shapes.path = model.path;
  shapes.config = model.config;
  shapes.weights = model.weights;
  shapes.stored_names = model.stored_names;
  shapes.added_words = model.added_words;
  shapes.made = model.made;
  shapes.net = std::make_unique<Network>(model.spec(), load);
  return shapes;
}

}  // namespace

void check_shapes(const TrainSession& session) {
  if (session.start_adapter) return;
  Model shapes = shapes_of(session.model);
  const TargetOptions targets = checked_targets(session);
  const Attached attached = attach(shapes, trained_method(session.options), targets,
                                   {.initialise = false, .shapes_only = true});
  ActivationOptions activations = session.options.train.activations;
  if (!activations.max_memory) return;
  choose_memory(*shapes.net, memory_request(session, *shapes.net, attached.adapters), activations);
}

}  // namespace svtune
