#include "attach/target_modules.h"

#include <algorithm>
#include <set>

#include "adapters/module_match.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr const char* kAllLinear = "all-linear";

bool ends_at_dot(const std::string& name, const std::string& end) {
  return name == end || name.ends_with("." + end);
}

bool any_ends_at_dot(const std::string& name, const std::vector<std::string>& ends) {
  return std::ranges::any_of(ends, [&](const auto& end) { return ends_at_dot(name, end); });
}

bool wants_all_linear(const TargetOptions& options) {
  return std::ranges::any_of(options.target_modules, [](const std::string& item) {
    return to_lower_ascii(item) == kAllLinear;
  });
}

void check(const TargetOptions& options) {
  const bool list = !options.target_modules.empty(), regex = options.target_regex.has_value();
  if (list && regex) throw UsageError("target_modules and target_regex exclude each other");
  if (!options.exclude_modules.empty() && options.exclude_regex) {
    throw UsageError("exclude_modules and exclude_regex exclude each other");
  }
  const bool by_layer = !options.layers_to_transform.empty();
  if ((by_layer || !options.layers_pattern.empty()) && (regex || wants_all_linear(options))) {
    throw UsageError(
        "layers_to_transform and layers_pattern need target_modules as a list of names",
        "List the modules, or choose the layers in the regular expression.");
  }
  if (!options.layers_pattern.empty() && !by_layer) {
    throw UsageError("layers_pattern needs layers_to_transform");
  }
}

bool is_excluded(const std::string& name, const TargetOptions& options) {
  if (options.exclude_regex && matches_full(*options.exclude_regex, name)) return true;
  if (any_ends_at_dot(name, options.exclude_modules)) return true;
  return std::ranges::any_of(options.modules_to_save, [&](const std::string& saved) {
    return matches_full("(?:^|.*\\.)" + saved + "(?:$|\\..*)", name);
  });
}

bool layer_is_chosen(const std::string& name, const TargetOptions& options) {
  std::optional<std::string> index;
  if (options.layers_pattern.empty()) {
    index = match_index(".*?\\.[^.]*\\.(?P<idx>\\d+)\\.", name);
  }
  for (const std::string& pattern : options.layers_pattern) {
    index = match_index("(?:^|.*?\\.)" + pattern + "\\.(?P<idx>\\d+)\\.", name);
    if (index) break;
  }
  return index && index->size() < 10 &&
         std::ranges::count(options.layers_to_transform, std::stoll(*index)) > 0;
}

bool is_named(const std::string& name, const TargetOptions& options,
              const std::vector<std::string>& default_targets) {
  if (options.target_regex) return matches_full(*options.target_regex, name);
  const auto& list = options.target_modules.empty() ? default_targets : options.target_modules;
  if (std::ranges::count(list, name) > 0) return true;
  if (!any_ends_at_dot(name, list)) return false;
  return options.layers_to_transform.empty() || layer_is_chosen(name, options);
}

// The last parts of the modules that can be adapted, each once.
std::vector<std::string> adaptable_parts(Network& net) {
  std::vector<std::string> parts;
  for (const Linear* layer : net.linears()) {
    const std::string part = last_part(layer->name());
    if (std::ranges::count(parts, part) == 0) parts.push_back(part);
  }
  if (net.embedding().exists()) parts.push_back(last_part(net.embedding().name()));
  return parts;
}

std::string suggestions(const std::vector<std::string>& wanted,
                        const std::vector<std::string>& existing) {
  std::vector<std::string> found;
  for (const std::string& name : wanted) {
    const std::string nearest = nearest_name(last_part(name), existing);
    if (!nearest.empty() && nearest != last_part(name)) {
      found.push_back(nearest + " for \"" + name + "\"");
    }
  }
  return found.empty() ? "" : "Did you mean " + join(found, ", ") + "?";
}

[[noreturn]] void fail_without_match(const TargetOptions& options, Network& net) {
  const std::vector<std::string> existing = adaptable_parts(net);
  const std::string wanted = options.target_regex
                                 ? "target_regex \"" + *options.target_regex + "\""
                                 : "target_modules " + join(options.target_modules, ",");
  std::string filters;
  if (!options.exclude_modules.empty() || options.exclude_regex) filters += ", excluded modules";
  if (!options.layers_to_transform.empty()) filters += ", layers_to_transform";
  if (!options.modules_to_save.empty()) filters += ", modules_to_save";
  throw UsageError(wanted + (filters.empty() ? "" : " (after" + filters.substr(1) + ")") +
                       " match no module; the model has " + join(existing, ", "),
                   suggestions(options.target_modules, existing));
}

// `names` of modules, which the options call `meant`.
std::vector<std::string> saved_modules(const std::vector<std::string>& names,
                                       const std::vector<std::string>& meant,
                                       const TargetOptions& options) {
  std::vector<std::string> found;
  std::set<std::string> unused(options.modules_to_save.begin(), options.modules_to_save.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    bool matched = false;
    for (const std::string& end : options.modules_to_save) {
      if (!meant[i].ends_with(end)) continue;
      matched = true;
      unused.erase(end);
    }
    if (matched) found.push_back(names[i]);
  }
  if (!unused.empty()) {
    std::vector<std::string> parts;
    for (const std::string& name : names) parts.push_back(last_part(name));
    throw UsageError("modules_to_save \"" + *unused.begin() + "\" matches no module",
                     suggestions({*unused.begin()}, parts));
  }
  return found;
}

}  // namespace

TargetOptions or_all_linear(TargetOptions options) {
  if (options.target_modules.empty() && !options.target_regex) {
    options.target_modules = {kAllLinear};
  }
  return options;
}

TargetSelection select_targets(Network& net, const TargetOptions& options, ModuleNames meant) {
  check(options);
  std::set<std::string> linears;
  for (const Linear* linear : net.linears()) linears.insert(linear->name());
  const std::vector<std::string> names = net.module_names();
  std::vector<std::string> called = names;
  if (meant == ModuleNames::kRunning) {
    const std::vector<RunningName> in_memory = names_in_memory(net.spec());
    for (std::string& name : called) name = running_path(in_memory, name);
  }

  const bool all_linear = wants_all_linear(options);
  TargetSelection selection;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    if (is_excluded(called[i], options)) continue;
    if (all_linear && linears.contains(name) && name != net.head().name()) {
      selection.adapted.push_back(name);
    } else if (is_named(called[i], options, net.spec().default_targets)) {
      if (linears.contains(name)) {
        selection.adapted.push_back(name);
      } else if (name == net.embedding().name()) {
        selection.embedding = true;
      } else {
        throw UsageError(
            "the targets match " + name + ", which is neither a linear layer nor the embedding",
            "Allowed are " + join(adaptable_parts(net), ", ") + ".");
      }
    }
  }
  selection.saved = saved_modules(names, called, options);
  if (selection.adapted.empty() && !selection.embedding) fail_without_match(options, net);
  return selection;
}

bool is_below_module(const std::string& parameter, const std::string& module) {
  return parameter.size() > module.size() && parameter.starts_with(module) &&
         parameter[module.size()] == '.';
}

}  // namespace svtune
