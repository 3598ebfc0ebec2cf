#include "attach/train_plan.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

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

TrainPlan plan_everything(Network& net) {
  TrainPlan plan;
  for (Linear* linear : net.linears()) {
    if (linear == &net.head() && net.head_is_tied()) continue;
    plan.layers.push_back(linear);
    plan.whole.push_back(true);
  }
  plan.extras = net.parameters();
  return plan;
}

TrainPlan plan_targets(Network& net, const TargetOptions& targets, const std::string& method,
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
  TrainPlan plan;
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
TrainPlan plan_biases(Network& net, TargetOptions targets, const std::string& method) {
  TrainPlan plan;
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
TrainPlan plan_head(const Model& model, const TargetOptions& targets) {
  if (!(targets == TargetOptions{})) {
    throw UsageError("the output head alone trains, and no other module is to be chosen",
                     "Leave the target options out, or choose --part all.");
  }
  Network& net = *model.net;
  const std::vector<std::string> head = with_head(model, targets).modules_to_save;
  TrainPlan plan;
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
                     TrainPlan& plan) {
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
  // A head of labels has no rows of words, and always trains whole.
  const bool words = net.predicts_words();
  const bool head = words && std::ranges::count(plan.layers, &net.head()) > 0;
  if (head || std::ranges::any_of(plan.extras, is_embedding)) {
    refuse("cannot train rows of what trains whole or has an adapter",
           "Leave " + last_part(net.embedding().name()) +
               (words ? " and " + net.head().name() : "") + " out of targets and modules_to_save.");
  }
  const std::optional<PeftForm> form = method_peft_form(method, {});
  if (form && form->complete && !form->keys.contains("trainable_token_indices")) {
    refuse("have no place in the files of " + method_name(method) + " adapters",
           "Choose a method whose peft_type is LORA, or one that PEFT does not have.");
  }
  plan.token_rows = targets.trainable_token_indices;
  plan.head_rows = targets.trainable_token_head && !net.head_is_tied();
}

TrainPlan plan_of(const Model& model, const MethodConfig& method, const TargetOptions& targets) {
  Network& net = *model.net;
  const MethodTraits traits = method_traits(method);
  if (traits.head_alone) return plan_head(model, targets);
  if (traits.biases_alone) return plan_biases(net, targets, method_name(method));
  if (traits.trains_matrix && targets == TargetOptions{}) return plan_everything(net);
  return plan_targets(net, targets, method_name(method), traits.trains_matrix);
}

// A matrix that transformers' class has no name for cannot train apart from the embedding's.
void require_shared_head(const Network& net, const std::string& embedding, const TrainPlan& plan) {
  if (!plan.parts_head || !net.spec().head_has_no_matrix) return;
  throw UsageError(net.head().name() +
                       " has no matrix of its own in transformers' class of this model: it and " +
                       embedding + " cannot train apart",
                   "Name layers in front of it, or let both train as one: " + last_part(embedding) +
                       " in --modules-to-save with --ensure-weight-tying.");
}

}  // namespace

TargetOptions with_own_modules(const Model& model, const TargetOptions& targets) {
  return model.net->predicts_words() ? with_made(model, targets) : with_head(model, targets);
}

std::vector<std::string> head_modules(const Model& model) {
  return with_head(model, {}).modules_to_save;
}

TrainPlan plan_training(const Model& model, const MethodConfig& method,
                        const TargetOptions& targets) {
  TrainPlan plan = plan_of(model, method, targets);
  plan_token_rows(*model.net, targets, method, plan);
  require_shared_head(*model.net, model.net->embedding().name(), plan);
  return plan;
}

}  // namespace svtune
