#include "adapter_files/running_names.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "adapter_files/adapter_config.h"
#include "adapters/module_match.h"
#include "attach/target_modules.h"
#include "base/errors.h"
#include "io/safetensors_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr const char* kPatterns[] = {"rank_pattern", "alpha_pattern"};

struct Naming {
  std::vector<std::string> from, to;  // of the adapted modules
  std::function<std::string(const std::string&)> path;
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
    if (!means_modules) renamed[naming.path(key)] = value;
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

}  // namespace

bool has_running_names(const ArchSpec& spec, const std::filesystem::path& weights) {
  if (spec.running_names.empty() || !std::filesystem::exists(weights)) return false;
  const std::vector<std::string> names = SafetensorsSource(weights).names();
  return std::ranges::any_of(
      names, [&](const auto& name) { return stored_path(spec.running_names, name) != name; });
}

Json stored_config(Network& net, Json config, const std::string& source) {
  std::vector<std::string> unused;  // warnings come when the file is read again
  const TargetOptions targets = parse_peft_config(config, source, unused).targets;
  const std::vector<RunningName>& names = net.spec().running_names;
  Naming naming{{}, {}, [&](const std::string& path) { return stored_path(names, path); }};
  try {
    naming.to = select_targets(net, targets, ModuleNames::kRunning).adapted;
    for (const std::string& name : naming.to) naming.from.push_back(running_path(names, name));
    config = renamed_patterns(std::move(config), naming);
  } catch (const UsageError& error) {
    throw FileError(source, error.what(), error.hint());
  }
  config["target_modules"] = naming.to;
  for (const char* key : {"exclude_modules", "layers_to_transform", "layers_pattern"}) {
    config.erase(key);
  }
  if (targets.modules_to_save.empty()) return config;
  Json saved = Json::array();
  for (const std::string& name : targets.modules_to_save) saved.push_back(naming.path(name));
  config["modules_to_save"] = saved;
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
