#include "adapter_files/parameter_writing.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "adapter_files/factor_size.h"
#include "adapter_files/fused_factors.h"
#include "adapter_files/layer_parameters.h"
#include "adapters/low_rank/low_rank_config.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Takes the factors of the parameters' layers out of the list.
FactorsByLayer take_factors(const std::vector<LayerParameter>& parameters,
                            std::vector<NamedTensor>& tensors) {
  FactorsByLayer factors;
  std::map<std::string, at::Tensor*> places;
  for (const LayerParameter& each : parameters) {
    for (const Linear* layer : each.layers()) {
      LayerFactors& own = factors[layer->name()];
      places[layer->name() + "." + kPeftFactorA] = &own.A;
      places[layer->name() + "." + kPeftFactorB] = &own.B;
    }
  }
  std::erase_if(tensors, [&](const NamedTensor& each) {
    const auto place = places.find(each.name);
    if (place != places.end()) *place->second = each.tensor;
    return place != places.end();
  });
  std::erase_if(factors, [](const auto& item) { return !item.second.A.defined(); });
  return factors;
}

// The parameters of which a layer is adapted.
std::vector<LayerParameter> adapted_parameters(Network& net, const std::set<std::string>& layers) {
  std::vector<LayerParameter> found;
  if (!net.spec().fused_experts) return found;
  for (LayerParameter& each : layer_parameters(net)) {
    const std::vector<Linear*> own = each.layers();
    const bool adapted = std::ranges::any_of(
        own, [&](const Linear* layer) { return layers.contains(layer->name()); });
    if (adapted && needs_its_name(net.spec(), each)) found.push_back(std::move(each));
  }
  return found;
}

// The sizes of what one file adapts, by PEFT's names.
using SizesByName = std::map<std::string, FactorSize>;

// Of the first adapted layer of each parameter. A parameter has one scaling: the B of layers with
// another one is multiplied by how the two differ.
SizesByName parameter_sizes(const std::vector<LayerParameter>& parameters, const Json& keys,
                            FactorsByLayer& factors) {
  SizesByName sizes;
  for (const LayerParameter& each : parameters) {
    for (const Linear* layer : each.layers()) {
      const auto own = factors.find(layer->name());
      if (own == factors.end()) continue;
      const FactorSize size = factor_size(keys, layer->name());
      const FactorSize& first = sizes.emplace(each.path(), size).first->second;
      if (nearly_equal(size.scaling(), first.scaling())) continue;
      own->second.B = own->second.B * (size.scaling() / first.scaling());
    }
  }
  return sizes;
}

// Values that are not `otherwise`, by the ends of names where all that end so have one value.
template <class Value>
Json size_patterns(const SizesByName& sizes, Value FactorSize::* value, Value otherwise) {
  std::map<std::string, std::set<Value>> by_end;
  for (const auto& [name, size] : sizes) by_end[short_name(name)].insert(size.*value);
  Json patterns = Json::object();
  for (const auto& [name, size] : sizes) {
    if (size.*value == otherwise) continue;
    const std::string end = short_name(name);
    patterns[by_end.at(end).size() == 1 ? end : name] = size.*value;
  }
  return patterns;
}

// The ends of the parameters' paths that mean these alone, or the paths.
std::vector<std::string> parameter_targets(Network& net,
                                           const std::vector<LayerParameter>& parameters) {
  std::set<std::string> chosen, others, targets;
  for (const LayerParameter& each : parameters) chosen.insert(each.path());
  for (const LayerParameter& each : layer_parameters(net)) {
    if (!chosen.contains(each.path())) others.insert(short_name(each.path()));
  }
  for (const std::string& path : chosen) {
    const std::string end = short_name(path);
    targets.insert(others.contains(end) ? path : end);
  }
  return {targets.begin(), targets.end()};
}

}  // namespace

void WrittenParameters::write_keys(Json& config) const {
  config[kTargetParameters] = targets;
  if (config.value("target_modules", Json()).is_null()) config["target_modules"] = Json::array();
  config["rank_pattern"] = rank_pattern;
  config["alpha_pattern"] = alpha_pattern;
  config["lora_dropout"] = 0.0;
}

std::optional<WrittenParameters> write_parameters(Network& net, const std::vector<Linear*>& layers,
                                                  const PeftForm& form,
                                                  std::vector<NamedTensor>& tensors) {
  if (!form.adapts_parameters) return std::nullopt;
  const std::vector<std::string> names = names_of(layers);
  const std::set<std::string> adapted(names.begin(), names.end());
  const std::vector<LayerParameter> parameters = adapted_parameters(net, adapted);
  if (parameters.empty()) return std::nullopt;
  FactorsByLayer factors = take_factors(parameters, tensors);
  SizesByName sizes = parameter_sizes(parameters, form.keys, factors);
  const std::vector<std::string> paths = tensor_paths(parameters);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const FusedFactors fused = fuse(parameters[i], factors);
    tensors.push_back({paths[i] + "." + kPeftFactorA, fused.A});
    tensors.push_back({paths[i] + "." + kPeftFactorB, fused.B});
    FactorSize& size = sizes.at(parameters[i].path());
    size = size.with_rank(fused.rank);
  }
  WrittenParameters written;
  for (Linear* layer : layers) {
    if (factors.contains(layer->name())) continue;
    written.modules.push_back(layer);
    sizes.emplace(path_in_memory(net.spec(), layer->name()), factor_size(form.keys, layer->name()));
  }
  written.targets = parameter_targets(net, parameters);
  written.rank_pattern =
      size_patterns(sizes, &FactorSize::rank, form.keys.value("r", std::int64_t{8}));
  written.alpha_pattern =
      size_patterns(sizes, &FactorSize::alpha, form.keys.value("lora_alpha", 8.0));
  return written;
}

}  // namespace svtune
