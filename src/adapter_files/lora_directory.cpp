#include "adapter_files/lora_directory.h"

#include <algorithm>
#include <set>

#include "formats/safetensors_writer.h"
#include "io/safetensors_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

std::vector<std::string> last_parts(const std::vector<std::string>& names) {
  std::set<std::string> parts;
  for (const std::string& name : names) parts.insert(name.substr(name.rfind('.') + 1));
  return {parts.begin(), parts.end()};
}

}  // namespace

std::vector<Linear*> adapted_layers(const AdapterSet& adapters) {
  std::vector<Linear*> layers;
  for (Linear* layer : adapters.layers) {
    if (!layer->adapter()->plain_weight().defined()) layers.push_back(layer);
  }
  return layers;
}

std::vector<std::string> names_of(const std::vector<Linear*>& layers) {
  std::vector<std::string> names;
  for (const Linear* layer : layers) names.push_back(layer->name());
  return names;
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

TargetOptions explicit_targets(Transformer& net, const AdapterSet& adapters,
                               const TargetOptions& targets) {
  const std::vector<std::string> names = names_of(adapted_layers(adapters));
  TargetOptions out;
  out.modules_to_save = targets.modules_to_save;
  out.bias = targets.bias;
  out.ensure_weight_tying = targets.ensure_weight_tying && net.head_is_tied();
  out.target_modules = last_parts(names);
  if (select_targets(net, out).adapted != names) out.target_modules = names;
  return out;
}

void write_lora_directory(const std::filesystem::path& directory, const PeftLoraConfig& config,
                          std::vector<NamedTensor> tensors) {
  if (config.targets.ensure_weight_tying) {
    // PEFT reads a tensor that two modules share under both names.
    const auto shared = std::ranges::find(tensors, "model.embed_tokens.weight", &NamedTensor::name);
    if (shared != tensors.end()) tensors.push_back({"lm_head.weight", shared->tensor.clone()});
  }
  for (NamedTensor& each : tensors) each.name = kPeftKeyPrefix + each.name;
  write_tensors(directory / kPeftWeightsFile, tensors);
  write_file_atomic(directory / kPeftConfigFile,
                    dump_json(peft_config_json(config), {.indent = 2, .sort_keys = true}));
}

}  // namespace svtune
