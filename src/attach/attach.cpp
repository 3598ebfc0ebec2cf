#include "attach/attach.h"

#include <chrono>
#include <set>

#include "base/errors.h"
#include "base/hash.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"

namespace svtune {
namespace {

struct Plan {
  std::vector<Linear*> layers;  // that receive an adapter, in the model's order
  std::vector<bool> whole;      // per layer: the matrix itself trains
  std::vector<NamedParameter> extras;
  bool parts_head = false;               // a tied head becomes a tensor of its own
  std::vector<std::int64_t> token_rows;  // of the embedding, that train apart
  bool head_rows = false;                // and the same ones of a head of its own
};

constexpr const char* kTokenRows = ".token_adapter.trainable_tokens_delta";

bool is_below_any(const std::string& parameter, const std::vector<std::string>& modules) {
  return std::ranges::any_of(modules, [&](const auto& m) { return is_below_module(parameter, m); });
}

void add_saved(TargetOptions& targets, const std::string& module) {
  std::vector<std::string>& saved = targets.modules_to_save;
  const bool there = std::ranges::any_of(saved, [&](const std::string& each) {
    return module.ends_with(each) || is_below_module(module, each);
  });
  if (!there) saved.push_back(module);
}

// What the checkpoint lacked must train.
TargetOptions with_made(const Model& model, TargetOptions targets) {
  for (const std::string& tensor : model.made) {
    add_saved(targets, tensor.substr(0, tensor.rfind('.')));
  }
  return targets;
}

// What trains of a head of labels: what holds its output, and made tensors' modules.
TargetOptions with_head(const Model& model, TargetOptions targets) {
  const std::string& output = model.net->head().name();
  add_saved(targets, output.substr(0, output.find('.')));
  return with_made(model, std::move(targets));
}

Plan plan_everything(Network& net) {
  Plan plan;
  for (Linear* linear : net.linears()) {
    if (linear == &net.head() && net.head_is_tied()) continue;
    plan.layers.push_back(linear);
    plan.whole.push_back(true);
  }
  plan.extras = net.parameters();
  return plan;
}

Plan plan_targets(Network& net, const TargetOptions& targets, const std::string& method,
                  bool trains_matrices) {
  const TargetSelection selection = select_targets(net, targets);
  if (selection.embedding && !trains_matrices) {
    throw UsageError(
        method + " adapts linear layers, not " + net.embedding().name(),
        "Name " + last_part(net.embedding().name()) + " in modules_to_save to train it whole.");
  }
  const std::set<std::string> adapted(selection.adapted.begin(), selection.adapted.end());
  const std::string embedding = net.embedding().name() + ".weight",
                    head = net.head().name() + ".weight";
  // Saving either of two tensors that stay tied means saving the one they share.
  const bool one_tensor =
      targets.ensure_weight_tying && net.head_is_tied() &&
      (is_below_any(embedding, selection.saved) || is_below_any(head, selection.saved));
  if (targets.ensure_weight_tying && net.head_is_tied() && adapted.contains(net.head().name())) {
    throw UsageError("ensure_weight_tying cannot keep an adapted " + net.head().name() +
                         " tied to the embedding",
                     "Leave " + net.head().name() + " out of the targets, or name " +
                         last_part(net.embedding().name()) + " in modules_to_save.");
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
    const bool is_embedding = each.tensor == &net.embedding().weight();
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

// The biases of the whole model, or of the layers that the targets choose.
Plan plan_biases(Network& net, TargetOptions targets, const std::string& method) {
  Plan plan;
  if (targets == TargetOptions{}) {
    for (const NamedParameter& each : net.parameters()) {
      if (each.name.ends_with(".bias")) plan.extras.push_back(each);
    }
  } else {
    if (!targets.modules_to_save.empty() || targets.bias != TrainedBias::kNone) {
      throw UsageError("biases alone train, and nothing is to be trained or saved beside them",
                       "Leave out --modules-to-save and --bias, or choose another method.");
    }
    targets.bias = TrainedBias::kLoraOnly;
    plan.extras = plan_targets(net, targets, method, false).extras;
  }
  if (!plan.extras.empty()) return plan;
  throw UsageError("there is no bias to train: the chosen layers of this model have none",
                   "Train norms with --modules-to-save of another method, or adapters.");
}

// The modules of the output head: of labels those that an adapter's run would train beside it.
Plan plan_head(const Model& model, const TargetOptions& targets) {
  if (!(targets == TargetOptions{})) {
    throw UsageError("the output head alone trains, and no other module is to be chosen",
                     "Leave the target options out, or choose --part all.");
  }
  Network& net = *model.net;
  const std::vector<std::string> head = with_head(model, targets).modules_to_save;
  Plan plan;
  for (Linear* linear : net.linears()) {
    if (!is_below_any(linear->name() + ".weight", head)) continue;
    plan.layers.push_back(linear);
    plan.whole.push_back(true);
    if (linear == &net.head()) plan.parts_head = true;
  }
  for (const NamedParameter& each : net.parameters()) {
    if (is_below_any(each.name, head)) plan.extras.push_back(each);
  }
  return plan;
}

// Rows that train apart need a matrix that stays.
void plan_token_rows(Network& net, const TargetOptions& targets, const MethodConfig& method,
                     Plan& plan) {
  std::vector<std::int64_t> ids = targets.trainable_token_indices;
  if (ids.empty()) return;
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw UsageError("trainable_token_indices " + what, hint);
  };
  if (net.reads_images()) refuse("name words, which a model of images does not have", "");
  const std::int64_t vocab = net.spec().vocab_size;
  std::ranges::sort(ids);
  if (ids.front() < 0 || ids.back() >= vocab) {
    refuse("has the id " + std::to_string(ids.front() < 0 ? ids.front() : ids.back()) +
               ", the model knows 0 to " + std::to_string(vocab - 1),
           "");
  }
  if (targets.trainable_token_head && !net.predicts_words()) {
    refuse("have no rows in a head of labels", "Leave out --trainable-token-head.");
  }
  if (const auto twice = std::ranges::adjacent_find(ids); twice != ids.end()) {
    refuse("has the id " + std::to_string(*twice) + " twice", "");
  }
  const auto is_embedding = [&](const NamedParameter& each) {
    return each.tensor == &net.embedding().weight();
  };
  const bool head = std::ranges::count(plan.layers, &net.head()) > 0;
  if (head || std::ranges::any_of(plan.extras, is_embedding)) {
    refuse("cannot train rows of what trains whole or has an adapter",
           "Leave " + last_part(net.embedding().name()) + " and " + net.head().name() +
               " out of targets and modules_to_save.");
  }
  const std::optional<PeftForm> form = method_peft_form(method, {});
  if (form && form->complete && !form->keys.contains("trainable_token_indices")) {
    refuse("have no place in the files of " + method_name(method) + " adapters",
           "Choose a method whose peft_type is LORA, or one that PEFT does not have.");
  }
  plan.token_rows = targets.trainable_token_indices;
  plan.head_rows = targets.trainable_token_head && !net.head_is_tied();
}

Plan plan_of(const Model& model, const MethodConfig& method, const TargetOptions& targets) {
  Network& net = *model.net;
  const MethodTraits traits = method_traits(method);
  if (traits.head_alone) return plan_head(model, targets);
  if (traits.biases_alone) return plan_biases(net, targets, method_name(method));
  if (traits.trains_matrix && targets == TargetOptions{}) return plan_everything(net);
  return plan_targets(net, targets, method_name(method), traits.trains_matrix);
}

// A matrix that transformers' class has no name for cannot train apart from the embedding's.
void require_shared_head(const Network& net, const std::string& embedding, const Plan& plan) {
  if (!plan.parts_head || !net.spec().head_has_no_matrix) return;
  throw UsageError(net.head().name() +
                       " has no matrix of its own in transformers' class of this model: it and " +
                       embedding + " cannot train apart",
                   "Name layers in front of it, or let both train as one: " + last_part(embedding) +
                       " in --modules-to-save with --ensure-weight-tying.");
}

// Where a method is asked for an adapter, and what it is asked with.
class Sites {
 public:
  Sites(const MethodConfig& method, const Plan& plan, const AttachOptions& options) {
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      const Linear& layer = *plan.layers[i];
      LayerSite site{layer.name(), layer.base(),
                     derive_seed(options.seed, method_name(method), layer.name())};
      site.cache = options.cache;
      site.file_format = options.file_format;
      site.shapes_only = options.shapes_only;
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
void check_layers(const Methods& methods, const Plan& plan, const Sites& sites) {
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    check_method_layer(methods.of(plan.whole[i]), sites.all()[i]);
  }
}

std::vector<AdapterInit> init_layers(const Methods& methods, const Plan& plan, const Sites& sites,
                                     const AttachOptions& options) {
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

void place(Model& model, const Plan& plan, std::vector<AdapterInit> inits, Attached& result) {
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

TargetOptions with_own_modules(const Model& model, const TargetOptions& targets) {
  return model.net->predicts_words() ? with_made(model, targets) : with_head(model, targets);
}

std::vector<std::string> head_modules(const Model& model) {
  return with_head(model, {}).modules_to_save;
}

Attached attach(Model& model, const MethodConfig& method, const TargetOptions& given,
                const AttachOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const MethodTraits traits = method_traits(method);
  const bool everything = traits.trains_matrix && given == TargetOptions{};
  const bool in_part = traits.biases_alone || traits.head_alone;
  const bool adds_head = options.add_head && !everything && !in_part;
  const TargetOptions targets = adds_head ? with_own_modules(model, given) : given;
  Plan plan = plan_of(model, method, targets);
  plan_token_rows(*model.net, targets, method, plan);
  require_shared_head(*model.net, model.net->embedding().name(), plan);
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
