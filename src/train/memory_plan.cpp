#include "train/memory_plan.h"

#include <algorithm>
#include <map>
#include <memory>

#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// "with 29 of 30 blocks computed again, "; nothing where none is.
std::string again_text(const MemoryPlan& plan) {
  if (plan.recompute.blocks == 0) return "";
  return "with " + std::to_string(plan.recompute.blocks) + " of " + std::to_string(plan.blocks) +
         " blocks computed again, ";
}

[[noreturn]] void refuse(const MemoryPlan& smallest, std::uint64_t target) {
  throw RunError("training needs at least " + format_bytes(smallest.forecast.total()) +
                     " of memory (" + again_text(smallest) + items_text(smallest.forecast) +
                     "), --max-memory allows " + format_bytes(target),
                 "allow that much, lower --batch-size or --batch-tokens (raising "
                 "--gradient-accumulation by the same factor keeps the result), or make the base "
                 "smaller: --base-dtype nf4, --dtype bf16");
}

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

MemoryPlan plan_memory(Network& net, const MemoryRequest& request, std::uint64_t target) {
  const auto plan_with = [&](std::int64_t blocks) {
    MemoryRequest tried = request;
    tried.recompute.blocks = blocks;
    return MemoryPlan{predict_memory(net, tried), tried.recompute, request.blocks()};
  };
  const std::int64_t first = std::min(request.recompute.blocks, request.blocks());
  MemoryPlan smallest = plan_with(first);
  for (std::int64_t blocks = first; blocks <= request.blocks(); ++blocks) {
    MemoryPlan plan = plan_with(blocks);
    const std::uint64_t total = plan.forecast.total();
    if (total <= target) return plan;
    if (total < smallest.forecast.total()) smallest = std::move(plan);
  }
  refuse(smallest, target);
}

std::string plan_text(const MemoryPlan& plan, std::uint64_t target) {
  const std::string all = std::to_string(plan.blocks) + " blocks";
  const std::string what =
      plan.recompute.blocks == 0
          ? "keep what backward needs of " + all
          : "recompute " + std::to_string(plan.recompute.blocks) + " of " + all;
  return what + ": " + format_bytes(plan.forecast.total()) + " of " + format_bytes(target);
}

MemoryChoice choose_memory(Network& net, MemoryRequest request, ActivationOptions& options) {
  request.recompute = options.plan();
  if (!options.max_memory) return {predict_memory(net, request), ""};
  const auto target = static_cast<std::uint64_t>(*options.max_memory);
  MemoryPlan plan = plan_memory(net, request, target);
  const bool all_asked_for = options.recompute == Recompute::kFull;
  if (!all_asked_for && plan.recompute.blocks > 0) options.recompute_blocks = plan.recompute.blocks;
  std::string text = plan_text(plan, target);
  return {std::move(plan.forecast), std::move(text)};
}

MemoryChoice choose_memory(TrainSession& session, const Attached& attached) {
  Network& net = *session.model.net;
  return choose_memory(net, memory_request(session, net, attached.adapters),
                       session.options.train.activations);
}

void check_memory_target(const TrainSession& session) {
  ActivationOptions activations = session.options.train.activations;
  if (!activations.max_memory || session.start_adapter) return;
  Model shapes = shapes_of(session.model);
  const Attached attached = attach(shapes, session.options.method, resolved_targets(session),
                                   {.initialise = false, .shapes_only = true});
  choose_memory(*shapes.net, memory_request(session, *shapes.net, attached.adapters), activations);
}

}  // namespace svtune
