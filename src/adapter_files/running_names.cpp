#include "adapter_files/running_names.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "adapter_files/adapter_config.h"
#include "adapters/module_match.h"
#include "attach/target_modules.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "io/safetensors_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr const char* kPatterns[] = {"rank_pattern", "alpha_pattern"};

struct Naming {
  std::vector<std::string> from, to;  // of the adapted modules
  std::function<std::string(const std::string&)> path;
  std::vector<std::string> layers = {};  // which a key that means no module must not mean either
};

// Whole paths are renamed; a key that means several modules becomes one for each of them.
Json renamed_keys(const Json& patterns, const Naming& naming) {
  Json renamed = Json::object();
  for (const auto& [key, value] : patterns.items()) {
    bool means_modules = false;
    for (std::size_t i = 0; i < naming.from.size(); ++i) {
      if (!matches_pattern_key(key, naming.from[i])) continue;
      means_modules = true;
      // The first key that matches counts.
      if (!renamed.contains(naming.to[i])) renamed[naming.to[i]] = value;
    }
    if (means_modules) continue;
    const std::string other = naming.path(key);
    const bool means_layers = std::ranges::any_of(
        naming.layers, [&](const auto& layer) { return matches_pattern_key(other, layer); });
    if (!means_layers) renamed[other] = value;
  }
  return renamed;
}

Json renamed_patterns(Json config, const Naming& naming) {
  for (const char* name : kPatterns) {
    const auto patterns = config.find(name);
    if (patterns == config.end() || !patterns->is_object()) continue;
    *patterns = renamed_keys(*patterns, naming);
  }
  return config;
}

void require_once(const std::vector<std::string>& layers) {
  std::set<std::string> seen;
  for (const std::string& name : layers) {
    if (seen.insert(name).second) continue;
    throw UsageError("target_modules and target_parameters both name " + name,
                     "Name each layer once.");
  }
}

// Beside target_parameters an empty list names no module; none at all means the family's own.
bool names_modules(const Network& net, const Json& config, const TargetOptions& targets) {
  if (!targets.target_modules.empty() || targets.target_regex) return true;
  const auto given = config.find("target_modules");
  const bool has_list = given != config.end() && !given->is_null();
  return !has_list && !net.spec().default_targets.empty();
}

std::vector<std::string> named_modules(Network& net, const TargetOptions& targets) {
  TargetSelection selection = select_targets(net, targets, ModuleNames::kRunning);
  if (selection.embedding) selection.adapted.push_back(net.embedding().name());
  return selection.adapted;
}

// What target_modules do not reach where parameters are adapted by their names.
void drop_parameters(Network& net, std::vector<std::string>& layers) {
  std::set<std::string> unreached;
  for (const LayerParameter& each : layer_parameters(net)) {
    if (!needs_its_name(net.spec(), each)) continue;
    for (const Linear* layer : each.layers()) unreached.insert(layer->name());
  }
  std::erase_if(layers, [&](const std::string& name) { return unreached.contains(name); });
}

// Experts and routers.
std::set<std::string> layers_of_mixtures(Network& net) {
  std::set<std::string> names;
  for (const LayerParameter& each : layer_parameters(net)) {
    if (is_linear_layer(net.spec(), each)) continue;
    for (const Linear* layer : each.layers()) names.insert(layer->name());
  }
  return names;
}

// Whether one of these tensors is an adapter's on one of the modules; whole tensors are none.
bool adapt_any(const std::vector<std::string>& tensors, const std::set<std::string>& modules) {
  for (const std::string& key : tensors) {
    for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
      const std::string end = key.substr(dot + 1);
      if (end != "weight" && end != "bias" && modules.contains(key.substr(0, dot))) return true;
    }
  }
  return false;
}

}  // namespace

Json without_experts(Network& net, Json config, const std::string& source,
                     const std::vector<std::string>& tensors) {
  if (!net.spec().fused_experts) return config;
  std::vector<std::string> unused;  // warnings come when the file is read again
  const TargetOptions targets = parse_peft_config(config, source, unused).targets;
  std::vector<std::string> others;
  try {
    others = named_modules(net, targets);
  } catch (const UsageError&) {  // told when the file is read again
    return config;
  }
  const std::set<std::string> mixtures = layers_of_mixtures(net);
  const std::size_t unreached =
      std::erase_if(others, [&](const std::string& name) { return mixtures.contains(name); });
  if (unreached == 0 || adapt_any(tensors, mixtures)) return config;
  if (!adapt_any(tensors, {others.begin(), others.end()})) return config;
  config["target_modules"] = shortest_targets(net, others, targets.modules_to_save);
  for (const char* key : {"exclude_modules", "layers_to_transform", "layers_pattern"}) {
    config.erase(key);
  }
  return config;
}

std::vector<std::string> shortest_targets(Network& net, const std::vector<std::string>& modules,
                                          const std::vector<std::string>& saved) {
  std::set<std::string> ends;
  for (const std::string& name : modules) ends.insert(last_part(name));
  const std::vector<std::string> list(ends.begin(), ends.end());
  if (list.empty()) return list;
  try {
    const TargetSelection selection =
        select_targets(net, {.target_modules = list, .modules_to_save = saved});
    std::set<std::string> meant(selection.adapted.begin(), selection.adapted.end());
    if (selection.embedding) meant.insert(net.embedding().name());
    if (meant == std::set<std::string>(modules.begin(), modules.end())) return list;
  } catch (const UsageError&) {  // the ends mean other modules too
  }
  return modules;
}

bool has_running_names(const ArchSpec& spec, const std::filesystem::path& weights) {
  const std::vector<RunningName> in_memory = names_in_memory(spec);
  if (in_memory.empty() || !std::filesystem::exists(weights)) return false;
  const std::vector<std::string> names = SafetensorsSource(weights).names();
  return std::ranges::any_of(
      names, [&](const auto& name) { return stored_path(in_memory, name) != name; });
}

Json stored_config(Network& net, Json config, const std::string& source,
                   const std::vector<LayerParameter>& parameters) {
  std::vector<std::string> unused;  // warnings come when the file is read again
  const TargetOptions targets = parse_peft_config(config, source, unused).targets;
  const std::vector<RunningName> names = names_in_memory(net.spec());
  Naming naming{{}, {}, [&](const std::string& path) { return stored_path(names, path); }};
  try {
    if (parameters.empty() || names_modules(net, config, targets)) {
      naming.to = named_modules(net, targets);
      if (!parameters.empty()) drop_parameters(net, naming.to);
      for (const std::string& name : naming.to) naming.from.push_back(running_path(names, name));
    }
    std::vector<std::string> adapted = naming.to;
    for (const LayerParameter& each : parameters) {
      // Patterns mean the layers of a parameter together.
      naming.from.push_back(each.path());
      naming.to.push_back(each.pattern());
      for (const Linear* layer : each.layers()) adapted.push_back(layer->name());
    }
    naming.layers = adapted;
    config = renamed_patterns(std::move(config), naming);
    require_once(adapted);
    std::vector<std::string> saved;
    for (const std::string& name : targets.modules_to_save) saved.push_back(naming.path(name));
    config["target_modules"] = parameters.empty() ? adapted : shortest_targets(net, adapted, saved);
    if (!saved.empty()) config["modules_to_save"] = saved;
  } catch (const UsageError& error) {
    throw FileError(source, error.what(), error.hint());
  }
  for (const char* key :
       {"exclude_modules", "layers_to_transform", "layers_pattern", "target_parameters"}) {
    config.erase(key);
  }
  return config;
}

Json running_patterns(const ArchSpec& spec, Json config, const std::vector<std::string>& layers) {
  Naming naming{
      layers, {}, [&](const std::string& path) { return running_path(spec.running_names, path); }};
  for (const std::string& name : layers) {
    naming.to.push_back(running_path(spec.running_names, name));
  }
  return renamed_patterns(std::move(config), naming);
}

}  // namespace svtune
