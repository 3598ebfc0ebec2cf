#include "attach/attach.h"

#include <chrono>
#include <set>

#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"

namespace svtune {
namespace {

struct Plan {
  std::vector<Linear*> layers;  // that receive an adapter, in the model's order
  std::vector<bool> whole;      // per layer: the matrix itself trains
  std::vector<NamedParameter> extras;
  bool parts_head = false;  // a tied head becomes a tensor of its own
};

bool has_targets(const TargetOptions& targets) {
  return fields_to_json(targets) != fields_to_json(TargetOptions{});
}

bool is_below_any(const std::string& parameter, const std::vector<std::string>& modules) {
  return std::ranges::any_of(modules, [&](const auto& m) { return is_below_module(parameter, m); });
}

Plan plan_everything(Transformer& net) {
  Plan plan;
  for (Linear* linear : net.linears()) {
    if (linear == &net.head() && net.head_is_tied()) continue;
    plan.layers.push_back(linear);
    plan.whole.push_back(true);
  }
  plan.extras = net.parameters();
  return plan;
}

Plan plan_targets(Transformer& net, const TargetOptions& targets, const std::string& method,
                  bool trains_matrices) {
  const TargetSelection selection = select_targets(net, targets);
  if (selection.embedding && !trains_matrices) {
    throw UsageError(method + " adapts linear layers, not model.embed_tokens",
                     "Name embed_tokens in modules_to_save to train it whole.");
  }
  const std::set<std::string> adapted(selection.adapted.begin(), selection.adapted.end());
  const std::string embedding = "model.embed_tokens.weight", head = net.head().name() + ".weight";
  // Saving either of two tensors that stay tied means saving the one they share.
  const bool one_tensor =
      targets.ensure_weight_tying && net.head_is_tied() &&
      (is_below_any(embedding, selection.saved) || is_below_any(head, selection.saved));
  if (targets.ensure_weight_tying && net.head_is_tied() && adapted.contains(net.head().name())) {
    throw UsageError("ensure_weight_tying cannot keep an adapted lm_head tied to the embedding",
                     "Leave lm_head out of the targets, or name embed_tokens in modules_to_save.");
  }
  Plan plan;
  for (Linear* linear : net.linears()) {
    const bool saved = is_below_any(linear->name() + ".weight", selection.saved);
    if (!saved && !adapted.contains(linear->name())) continue;
    if (one_tensor && linear == &net.head()) continue;
    plan.layers.push_back(linear);
    plan.whole.push_back(saved || trains_matrices);
    if (linear == &net.head()) plan.parts_head = true;
  }
  for (const NamedParameter& each : net.parameters()) {
    const bool is_bias = each.name.ends_with(".bias");
    const bool of_adapted = is_bias && adapted.contains(each.name.substr(0, each.name.size() - 5));
    const bool is_embedding = each.tensor == &net.embedding();
    if (is_below_any(each.name, selection.saved) ||
        (is_embedding && (selection.embedding || one_tensor)) ||
        (is_bias && targets.bias == TrainedBias::kAll) ||
        (of_adapted && targets.bias == TrainedBias::kLoraOnly)) {
      plan.extras.push_back(each);
      if (is_embedding && !one_tensor) plan.parts_head = true;
    }
  }
  return plan;
}

LayerSite site_of(const Linear& layer, std::uint64_t seed) {
  return {layer.name(), layer.base(), seed};
}

// A rank that cannot be is refused before any decomposition starts.
void check_ranks(const MethodConfig& method, const Plan& plan) {
  std::visit(
      [&]<class Config>(const Config& config) {
        if constexpr (requires { config.low_rank; }) {
          for (std::size_t i = 0; i < plan.layers.size(); ++i) {
            if (plan.whole[i]) continue;
            const LayerSite site = site_of(*plan.layers[i], 0);
            low_rank_shape(config.low_rank, site);
            if constexpr (requires { check_layer(config, site); }) check_layer(config, site);
          }
        }
      },
      method);
}

AdapterInit init_layer(const MethodConfig& method, const Linear& layer, bool whole,
                       const AttachOptions& options) {
  LayerSite site = site_of(layer, derive_seed(options.seed, method_name(method), layer.name()));
  site.cache = options.cache;
  if (whole) return make_adapter(FullConfig{}, site);
  return std::visit(
      [&](const auto& config) {
        return options.initialise ? make_adapter(config, site) : make_empty_adapter(config, site);
      },
      method);
}

std::vector<AdapterInit> init_layers(const MethodConfig& method, const Plan& plan,
                                     const AttachOptions& options) {
  const auto count = static_cast<std::int64_t>(plan.layers.size());
  std::vector<AdapterInit> inits(plan.layers.size());
  for_each_matrix(
      count,
      [&](std::int64_t i) {
        inits[i] = init_layer(method, *plan.layers[i], plan.whole[i], options);
      },
      options.progress);
  return inits;
}

at::Tensor make_leaf(const at::Tensor& tensor) {
  const at::ScalarType dtype = tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  // Always a copy: the tensor may be a read-only view of the user's file.
  return tensor.detach().to(dtype, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
}

std::int64_t count_parameters(Transformer& net) {
  std::int64_t total = 0;
  for (const NamedParameter& each : net.parameters()) total += each.tensor->numel();
  for (const Linear* linear : net.linears()) {
    if (linear == &net.head() && net.head_is_tied()) continue;
    total += linear->in_features() * linear->out_features();
  }
  return total;
}

std::int64_t trainable_count(Adapter& adapter) {
  std::int64_t count = 0;
  for (const Trainable& each : adapter.trainables()) count += each.tensor.numel();
  return count;
}

void place(Model& model, const Plan& plan, std::vector<AdapterInit> inits, Attached& result) {
  Transformer& net = *model.net;
  if (plan.parts_head && net.head_is_tied()) net.untie_head();
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    Linear& layer = *plan.layers[i];
    layer.attach(std::move(inits[i].adapter));
    if (inits[i].releases_base) {
      layer.release_base();
      model.weights->release(layer.name() + ".weight");
    }
    result.adapters.layers.push_back(&layer);
    const bool beside = plan.whole[i] && result.adapters.method != FullConfig::kName;
    if (!beside) result.record.layers[layer.name()] = inits[i].report;
  }
  for (const NamedParameter& each : plan.extras) {
    *each.tensor = make_leaf(*each.tensor);
    model.weights->release(each.name);
    result.adapters.extras.push_back({each.name, *each.tensor});
  }
  // The trained embedding stands for the tied head, so the old tensor can go.
  if (net.head_is_tied() && net.embedding().requires_grad()) net.head().release_base();
}

StartReport start_report(const AdapterSet& adapters, const AdapterRecord& record) {
  StartReport report;
  report.method = adapters.method;
  for (const Linear* layer : adapters.layers) {
    const bool whole = layer->adapter()->plain_weight().defined();
    if (whole && adapters.method != FullConfig::kName) {
      report.extras.push_back(layer->name() + ".weight");
      continue;
    }
    report.layers.push_back({layer->name(), layer->out_features(), layer->in_features(),
                             trainable_count(*layer->adapter()),
                             record.layers.value(layer->name(), Json::object())});
  }
  for (const ExtraTrainable& extra : adapters.extras) report.extras.push_back(extra.name);
  report.trainable = adapters.num_trainable();
  return report;
}

}  // namespace

Attached attach(Model& model, const MethodConfig& method, const TargetOptions& targets,
                const AttachOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const std::string name = method_name(method);
  const bool full = std::holds_alternative<FullConfig>(method);
  const Plan plan = full && !has_targets(targets) ? plan_everything(*model.net)
                                                  : plan_targets(*model.net, targets, name, full);
  for (const Linear* layer : plan.layers) {
    if (layer->adapter())
      throw ModelError(layer->name() + ": the layer already carries an adapter");
  }
  if (options.initialise) check_ranks(method, plan);

  Attached result;
  const std::int64_t total = count_parameters(*model.net);
  result.adapters.method = name;
  result.adapters.config = options_to_json(method, targets);
  result.record = {method, targets, options.seed};
  place(model, plan, init_layers(method, plan, options), result);
  result.report = start_report(result.adapters, result.record);
  result.report.total = total;
  result.report.init_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

Attached adopt(Model& model, LoadedAdapter loaded) {
  Attached result{std::move(loaded.adapters), std::move(loaded.record), {}};
  result.report = start_report(result.adapters, result.record);
  result.report.total = count_parameters(*model.net);
  return result;
}

}  // namespace svtune
