#include "attach/attach.h"

#include <utility>

#include "attach/train_plan.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"

namespace svtune {
namespace {

constexpr const char* kTokenRows = ".token_adapter.trainable_tokens_delta";

// Where a method is asked for an adapter, and what it is asked with.
class Sites {
 public:
  Sites(const MethodConfig& method, const TrainPlan& plan, const AttachOptions& options) {
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      const Linear& layer = *plan.layers[i];
      LayerSite site{layer.name(), layer.base(),
                     derive_seed(options.seed, method_name(method), layer.name())};
      site.cache = options.cache;
      site.file_format = options.file_format;
      site.shapes_only = options.shapes_only;
      site.rank_given = options.rank_given;
      if (options.starts) {
        const auto start = options.starts->find(layer.name());
        if (start != options.starts->end()) site.start = &start->second;
      }
      all_.push_back(site);
      if (!plan.whole[i]) adapted_.push_back(site);
    }
  }

  const std::vector<LayerSite>& all() const { return all_; }          // in the plan's order
  const std::vector<LayerSite>& adapted() const { return adapted_; }  // of the method itself
  void set_state(const std::shared_ptr<MethodState>& state) {
    for (LayerSite& site : all_) site.state = state;
  }

 private:
  std::vector<LayerSite> all_, adapted_;
};

// The method for the layers that it adapts, and the one that trains matrices for the others.
struct Methods {
  const MethodConfig& adapted;
  const MethodConfig whole = method_traits(adapted).trains_matrix ? adapted : whole_matrix_method();
  const MethodConfig& of(bool is_whole) const { return is_whole ? whole : adapted; }
};

// What cannot be is refused before any decomposition starts.
void check_layers(const Methods& methods, const TrainPlan& plan, const Sites& sites) {
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    check_method_layer(methods.of(plan.whole[i]), sites.all()[i]);
  }
}

std::vector<AdapterInit> init_layers(const Methods& methods, const TrainPlan& plan,
                                     const Sites& sites, const AttachOptions& options) {
  const auto count = static_cast<std::int64_t>(plan.layers.size());
  std::vector<AdapterInit> inits(plan.layers.size());
  for_each_matrix(
      count,
      [&](std::int64_t i) {
        const MethodConfig& method = methods.of(plan.whole[i]);
        const LayerSite& site = sites.all()[i];
        inits[i] = options.initialise ? make_method_adapter(method, site)
                                      : make_empty_method_adapter(method, site);
      },
      options.progress);
  return inits;
}

at::Tensor make_leaf(const at::Tensor& tensor) {
  const at::ScalarType dtype = tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  // Always a copy: the tensor may be a read-only view of the user's file.
  return tensor.detach().to(dtype, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
}

std::int64_t count_parameters(Network& net) {
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

void place(Model& model, const TrainPlan& plan, std::vector<AdapterInit> inits, Attached& result) {
  const bool trains_matrix = method_traits(result.record.method).trains_matrix;
  Network& net = *model.net;
  if (plan.parts_head && net.head_is_tied()) net.untie_head();
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    Linear& layer = *plan.layers[i];
    layer.attach(std::move(inits[i].adapter));
    if (inits[i].releases_base) {
      layer.release_base();
      model.weights->release(layer.name() + ".weight");
    }
    result.adapters.layers.push_back(&layer);
    const bool beside = plan.whole[i] && !trains_matrix;
    if (!beside) result.record.layers[layer.name()] = inits[i].report;
  }
  for (const NamedParameter& each : plan.extras) {
    *each.tensor = make_leaf(*each.tensor);
    model.weights->release(each.name);
    result.adapters.extras.push_back({each.name, *each.tensor});
  }
  if (!plan.token_rows.empty()) {
    net.train_rows(plan.token_rows, plan.head_rows);
    const auto add = [&](const std::string& module, const TokenRows& rows) {
      result.adapters.extras.push_back(
          {module + kTokenRows, rows.values(), module + ".weight", plan.token_rows});
    };
    add(net.embedding().name(), net.embedding().rows());
    if (plan.head_rows) add(net.head().name(), net.own_head_rows());
  }
  // The trained embedding stands for the tied head, so the old tensor can go.
  if (net.head_is_tied() && net.embedding().weight().requires_grad()) net.head().release_base();
}

StartReport start_report(const AdapterSet& adapters, const AdapterRecord& record) {
  const bool trains_matrix = method_traits(record.method).trains_matrix;
  StartReport report;
  report.method = adapters.method;
  for (const Linear* layer : adapters.layers) {
    const bool whole = layer->adapter()->plain_weight().defined();
    if (whole && !trains_matrix) {
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

Attached attach(Model& model, const MethodConfig& method, const TargetOptions& given,
                const AttachOptions& options) {
  const double start = steady_seconds();
  const MethodTraits traits = method_traits(method);
  const bool everything = traits.trains_matrix && given == TargetOptions{};
  const bool in_part = traits.biases_alone || traits.head_alone;
  const bool adds_head = options.add_head && !everything && !in_part;
  const TargetOptions targets = adds_head ? with_own_modules(model, given) : given;
  const TrainPlan plan = plan_training(model, method, targets);
  for (const Linear* layer : plan.layers) {
    if (layer->adapter())
      throw ModelError(layer->name() + ": the layer already carries an adapter");
  }
  const Methods methods{method};
  Sites sites(method, plan, options);
  if (options.check) check_layers(methods, plan, sites);

  Attached result;
  const std::int64_t total = count_parameters(*model.net);
  result.adapters.method = method_name(method);
  result.adapters.config = options_to_json(method, targets);
  result.adapters.state = make_method_state(method, sites.adapted());
  sites.set_state(result.adapters.state);
  result.record = {method, targets, options.seed};
  place(model, plan, init_layers(methods, plan, sites, options), result);
  result.report = start_report(result.adapters, result.record);
  result.report.total = total;
  result.report.init_seconds = steady_seconds() - start;
  return result;
}

Attached adopt(Model& model, LoadedAdapter loaded) {
  Attached result{std::move(loaded.adapters), std::move(loaded.record), {}};
  result.report = start_report(result.adapters, result.record);
  result.report.total = count_parameters(*model.net);
  return result;
}

}  // namespace svtune
