#include "adapter_files/layer_parameters.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kWholeMatrix[] = "weight";

// Where a layer of an expert lies: in which parameter of its module, and as which of its layers.
struct PlaceInMixture {
  std::string module;
  std::size_t expert = 0, parameter = 0, part = 0;
};

std::optional<PlaceInMixture> place_in_mixture(const FusedExperts& experts,
                                               const std::string& layer) {
  const std::vector<std::string_view> path = split(layer, '.');
  if (path.size() < 4) return std::nullopt;
  const std::string_view module = path[path.size() - 3], index = path[path.size() - 2];
  const bool is_number = !index.empty() && index.size() < 10 &&
                         index.find_first_not_of("0123456789") == std::string_view::npos;
  if (module != experts.module || !is_number) return std::nullopt;
  const std::string last(path.back());
  for (std::size_t i = 0; i < experts.parameters.size(); ++i) {
    const std::vector<std::string>& parts = experts.parameters[i].layers;
    const auto part = std::ranges::find(parts, last);
    if (part == parts.end()) continue;
    return PlaceInMixture{layer.substr(0, layer.size() - last.size() - index.size() - 2),
                          std::stoul(std::string(index)), i,
                          static_cast<std::size_t>(part - parts.begin())};
  }
  return std::nullopt;
}

}  // namespace

std::vector<Linear*> LayerParameter::layers() const {
  std::vector<Linear*> list;
  for (const auto& expert : experts) list.insert(list.end(), expert.begin(), expert.end());
  return list;
}

std::int64_t LayerParameter::out_features() const {
  std::int64_t rows = 0;
  for (const Linear* layer : experts[0]) rows += layer->out_features();
  return rows;
}

std::string LayerParameter::pattern() const {
  const std::string first = experts[0][0]->name();
  if (name == kWholeMatrix) return first;
  std::vector<std::string> ends;
  for (const Linear* layer : experts[0]) ends.push_back(last_part(layer->name()));
  // Before the number of the expert.
  const std::size_t end = first.rfind('.', first.size() - ends[0].size() - 2);
  return first.substr(0, end) + "\\.\\d+\\.(?:" + join(ends, "|") + ")";
}

std::vector<LayerParameter> layer_parameters(Network& net) {
  const ArchSpec& spec = net.spec();
  std::vector<LayerParameter> list;
  std::map<std::string, std::size_t> mixtures;  // module -> place of its first parameter
  for (Linear* layer : net.linears()) {
    const auto place =
        spec.fused_experts ? place_in_mixture(*spec.fused_experts, layer->name()) : std::nullopt;
    if (!place) {
      list.push_back({path_in_memory(spec, layer->name()), kWholeMatrix, {{layer}}});
      continue;
    }
    if (mixtures.emplace(place->module, list.size()).second) {
      for (const FusedParameter& each : spec.fused_experts->parameters) {
        list.push_back({path_in_memory(spec, place->module), each.name, {}});
      }
    }
    auto& experts = list[mixtures.at(place->module) + place->parameter].experts;
    if (experts.size() <= place->expert) experts.resize(place->expert + 1);
    auto& parts = experts[place->expert];
    if (parts.size() <= place->part) parts.resize(place->part + 1);
    parts[place->part] = layer;
  }
  return list;
}

std::string path_in_memory(const ArchSpec& spec, const std::string& stored) {
  return running_path(names_in_memory(spec), stored);
}

bool is_linear_layer(const ArchSpec& spec, const LayerParameter& parameter) {
  if (!spec.fused_experts) return true;
  return parameter.name == kWholeMatrix &&
         last_part(parameter.module) != spec.fused_experts->router;
}

bool needs_its_name(const ArchSpec& spec, const LayerParameter& parameter) {
  if (!spec.fused_experts) return false;
  if (!is_linear_layer(spec, parameter)) return true;
  const FusedExperts& experts = *spec.fused_experts;
  const std::string last = last_part(parameter.module);
  return experts.takes_names && std::ranges::any_of(experts.parameters, [&](const auto& each) {
           return std::ranges::find(each.layers, last) != each.layers.end();
         });
}

std::vector<std::string> tensor_paths(const std::vector<LayerParameter>& parameters) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::string path = parameters[i].module;
    for (std::size_t j = i + 1; j < parameters.size(); ++j) {
      if (parameters[j].module == parameters[i].module) path += ".base_layer";
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

std::string short_name(const std::string& path) {
  const std::size_t last = path.rfind('.');
  if (last == std::string::npos || last == 0) return path;
  const std::size_t before = path.rfind('.', last - 1);
  return before == std::string::npos ? path : path.substr(before + 1);
}

}  // namespace svtune
