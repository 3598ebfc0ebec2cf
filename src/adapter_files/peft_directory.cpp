#include "adapter_files/peft_directory.h"

#include <algorithm>
#include <set>

#include "adapter_files/adapter_config.h"
#include "adapter_files/head_form.h"
#include "adapter_files/parameter_writing.h"
#include "adapter_files/running_names.h"
#include "base/files.h"
#include "base/text_util.h"
#include "formats/layer_ranges.h"
#include "io/transposed_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

std::vector<std::string> last_parts(const std::vector<std::string>& names) {
  std::set<std::string> parts;
  for (const std::string& name : names) parts.insert(last_part(name));
  return {parts.begin(), parts.end()};
}

// What PEFT calls the paths of a file with these adapted modules. Experts that are modules there
// are those of transformers 4, whose mixtures have the checkpoint's names in memory.
std::vector<RunningName> names_in_file(const ArchSpec& spec,
                                       const std::vector<std::string>& modules) {
  const bool has_experts = std::ranges::any_of(modules, [&](const std::string& name) {
    return path_in_memory(spec, name) != running_path(spec.running_names, name);
  });
  return has_experts ? spec.running_names : names_in_memory(spec);
}

// The shortest target list that means exactly these layers of the model, by the names that PEFT
// knows them by.
TargetOptions explicit_targets(Network& net, const std::vector<std::string>& names,
                               const TargetOptions& targets) {
  TargetOptions out;
  out.modules_to_save = targets.modules_to_save;
  out.bias = targets.bias;
  out.trainable_token_indices = targets.trainable_token_indices;
  out.trainable_token_head = targets.trainable_token_head && !net.head_is_tied();
  out.ensure_weight_tying = targets.ensure_weight_tying && net.head_is_tied();
  const std::vector<RunningName> in_file = names_in_file(net.spec(), names);
  std::vector<std::string> running = names;
  for (std::string& name : running) name = running_path(in_file, name);
  for (std::string& name : out.modules_to_save) name = path_in_memory(net.spec(), name);
  if (!names.empty()) {
    out.target_modules = last_parts(running);
    if (select_targets(net, out, ModuleNames::kRunning).adapted != names) {
      out.target_modules = running;
    }
  }
  out.modules_to_save = targets.modules_to_save;
  for (std::string& name : out.modules_to_save) name = running_path(in_file, name);
  return out;
}

}  // namespace

std::filesystem::path peft_weights_file(const std::filesystem::path& directory) {
  const std::filesystem::path usual = directory / kPeftWeightsFile;
  const std::filesystem::path pickled = directory / kPeftPickledFile;
  return !std::filesystem::exists(usual) && std::filesystem::exists(pickled) ? pickled : usual;
}

std::vector<Linear*> adapted_layers(const AdapterSet& adapters) {
  std::vector<Linear*> layers;
  for (Linear* layer : adapters.layers) {
    if (!layer->adapter()->plain_weight().defined()) layers.push_back(layer);
  }
  return layers;
}

std::string peft_key(const AdapterSet& adapters, const std::string& trainable) {
  constexpr std::string_view kBias = ".bias";
  if (!trainable.ends_with(kBias)) return trainable;
  const std::string module = trainable.substr(0, trainable.size() - kBias.size());
  const std::vector<std::string> adapted = names_of(adapted_layers(adapters));
  return std::ranges::count(adapted, module) > 0 ? module + ".base_layer.bias" : trainable;
}

std::vector<NamedTensor> whole_tensors(const AdapterSet& adapters) {
  std::vector<NamedTensor> list;
  for (const Linear* layer : adapters.layers) {
    const at::Tensor weight = layer->adapter()->plain_weight();
    if (weight.defined()) list.push_back({layer->name() + ".weight", weight.detach()});
  }
  for (const ExtraTrainable& extra : adapters.extras) {
    list.push_back({peft_key(adapters, extra.name), extra.tensor.detach()});
  }
  return list;
}

std::vector<NamedTensor> peft_tensors(const AdapterSet& adapters, const PeftForm& form) {
  std::vector<NamedTensor> list = whole_tensors(adapters);
  for (const Linear* layer : adapted_layers(adapters)) {
    Adapter& adapter = *layer->adapter();
    std::vector<NamedTensor> own;
    if (form.tensors) {
      own = form.tensors(adapter);
    } else {
      for (const Trainable& each : adapter.trainables()) own.push_back({each.name, each.tensor});
    }
    for (NamedTensor& each : own) {
      list.push_back({layer->name() + "." + each.name, each.tensor.detach()});
    }
  }
  return list;
}

void write_peft_directory(const std::filesystem::path& path, const PeftDirectory& directory,
                          const PeftForm& form, std::vector<NamedTensor> tensors) {
  const AdapterSet& adapters = directory.adapters;
  Network& net = *directory.model.net;
  const std::vector<Linear*> layers = adapted_layers(adapters);
  const auto parameters = write_parameters(net, layers, form, tensors);
  const std::vector<std::string> modules = names_of(parameters ? parameters->modules : layers);
  TargetOptions targets = explicit_targets(net, modules, directory.targets);
  if (targets.ensure_weight_tying) {
    // PEFT reads a tensor that two modules share under both names.
    const std::string embedding = net.embedding().name() + ".weight";
    const auto shared = std::ranges::find(tensors, embedding, &NamedTensor::name);
    const bool trained = shared != tensors.end();
    if (trained && !net.spec().head_has_no_matrix) {
      tensors.push_back({net.head().name() + ".weight", shared->tensor.clone()});
    }
    targets.ensure_weight_tying = trained || form.ties_words;
  }
  const std::vector<RunningName> in_file = names_in_file(net.spec(), modules);
  for (NamedTensor& each : tensors) {
    each.tensor = turned(net.spec(), each.name, each.tensor);
    each.name = kPeftKeyPrefix + running_path(in_file, each.name);
  }
  if (form.stores_shared && adapters.state) {
    for (const NamedTensor& each : adapters.state->shared()) {
      tensors.push_back({kPeftSharedPrefix + each.name, each.tensor});
    }
  }
  write_tensors(path / kPeftWeightsFile, tensors);
  Json config =
      peft_config_json(form, targets,
                       {directory.base_model,
                        net.reads_images() ? "" : peft_task(net.spec().task),
                        {last_part(net.embedding().name()), last_part(net.head().name())}});
  if (!directory.repeated.empty()) {
    config["layer_replication"] = layer_ranges_json(directory.repeated);
  }
  if (parameters) {
    parameters->write_keys(config);
  } else if (!net.spec().running_names.empty()) {
    config = running_patterns(net.spec(), std::move(config), modules);
  }
  if (std::ranges::any_of(layers, [&](const Linear* layer) {
        return is_transposed(net.spec(), layer->name() + ".weight");
      })) {
    config["fan_in_fan_out"] = true;
  }
  write_file_atomic(path / kPeftConfigFile, dump_json(config, {.indent = 2, .sort_keys = true}));
}

}  // namespace svtune
