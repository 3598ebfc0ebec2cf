#include "attach/target_check.h"

#include <algorithm>

#include "adapters/module_match.h"
#include "base/errors.h"
#include "base/fields.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// The letters, digits and underscores that a pattern ends with: "q_prj" of "^.*q_prj$".
std::string last_word(const std::string& pattern) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::size_t end = pattern.size();
  while (end > 0 && !is_word(pattern[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && is_word(pattern[begin - 1])) --begin;
  return pattern.substr(begin, end - begin);
}

[[noreturn]] void refuse(const std::string& option, const std::string& item,
                         const std::string& matches, const std::vector<std::string>& names) {
  std::vector<std::string> parts;
  for (const std::string& name : names) {
    const std::string part = last_part(name);
    if (std::ranges::count(parts, part) == 0) parts.push_back(part);
  }
  const std::string nearest = nearest_name(last_word(item), parts);
  throw UsageError(
      option + " \"" + item + "\" matches " + matches + "; there are " + join(parts, ", "),
      nearest.empty() ? "" : "Did you mean " + nearest + "?");
}

// Each item alone must choose something: select_targets says what there is when it does not.
void check_targets(Network& net, const TargetOptions& options) {
  for (const std::string& item : options.target_modules) {
    TargetOptions alone = options;
    alone.target_modules = {item};
    alone.modules_to_save.clear();
    select_targets(net, alone);
  }
}

// "0, 1, 2" of the layers that the targets lie in.
std::string layer_indices(const std::vector<std::string>& adapted) {
  std::vector<std::string> indices;
  for (const std::string& name : adapted) {
    const auto index = match_index(".*?\\.(?P<idx>\\d+)\\.", name);
    if (index && std::ranges::count(indices, *index) == 0) indices.push_back(*index);
  }
  return indices.size() < 2 ? join(indices, "") : indices.front() + " to " + indices.back();
}

void check_layers(Network& net, const TargetOptions& options) {
  if (options.layers_to_transform.empty()) return;
  TargetOptions everywhere = options;
  everywhere.layers_to_transform.clear();
  everywhere.layers_pattern.clear();
  const std::vector<std::string> adapted = select_targets(net, everywhere).adapted;
  const auto chooses = [&](const TargetOptions& alone) {
    try {
      return !select_targets(net, alone).adapted.empty();
    } catch (const UsageError&) {
      return false;
    }
  };
  for (const std::string& item : options.layers_pattern) {
    TargetOptions alone = options;
    alone.layers_pattern = {item};
    if (chooses(alone)) continue;
    throw UsageError("layers_pattern \"" + item + "\" with these layers matches no target",
                     "It is the name before the index in paths like " + adapted.front() + ".");
  }
  for (const std::int64_t index : options.layers_to_transform) {
    TargetOptions alone = options;
    alone.layers_to_transform = {index};
    if (chooses(alone)) continue;
    throw UsageError("layers_to_transform " + std::to_string(index) +
                     " matches no layer; the targets lie in layers " + layer_indices(adapted));
  }
}

void check_exclusions(const std::vector<std::string>& names, const TargetOptions& options) {
  for (const std::string& item : options.exclude_modules) {
    const bool found = std::ranges::any_of(
        names, [&](const std::string& name) { return name == item || name.ends_with("." + item); });
    if (!found) refuse("exclude_modules", item, "no module", names);
  }
  if (!options.exclude_regex) return;
  const bool found = std::ranges::any_of(
      names, [&](const std::string& name) { return matches_full(*options.exclude_regex, name); });
  if (!found) refuse("exclude_regex", *options.exclude_regex, "no module", names);
}

// The keys of rank_pattern and its like and lists of layers, of whatever method has them.
void check_patterns(const MethodConfig& method, const std::vector<std::string>& adapted) {
  MethodConfig copy = method;
  const std::vector<Field> fields =
      std::visit([](auto& config) { return list_fields(config); }, copy);
  for (const Field& field : fields) {
    if (!field.info.keys_are_layers) continue;
    const bool list = field.info.shape == FieldShape::kList;
    for (const auto& [place, value] : field.info.value.items()) {
      const std::string key = list ? value.get<std::string>() : place;
      const bool found = std::ranges::any_of(
          adapted, [&](const std::string& name) { return matches_pattern_key(key, name); });
      if (!found) refuse(field.info.name, key, "no adapted layer", adapted);
    }
  }
}

void check_biases(Network& net, const TargetOptions& options,
                  const std::vector<std::string>& adapted) {
  if (options.bias == TrainedBias::kNone) return;
  const bool all = options.bias == TrainedBias::kAll;
  const bool found = std::ranges::any_of(net.parameters(), [&](const NamedParameter& each) {
    if (!each.name.ends_with(".bias")) return false;
    return all || std::ranges::count(adapted, each.name.substr(0, each.name.size() - 5)) > 0;
  });
  if (found) return;
  throw UsageError(std::string("bias ") + (all ? "all: the model has no biases"
                                               : "lora_only: the adapted layers have no biases"),
                   "Leave out --bias.");
}

void check_tying(const Network& net, const TargetOptions& options) {
  if (!options.ensure_weight_tying || net.head_is_tied()) return;
  throw UsageError("ensure_weight_tying: embedding and head of this model are not tied",
                   "Leave out --ensure-weight-tying.");
}

}  // namespace

void check_every_target(Network& net, const TargetOptions& options, const MethodConfig& method) {
  const TargetSelection selection = select_targets(net, options);
  check_targets(net, options);
  check_layers(net, options);
  check_exclusions(net.module_names(), options);
  check_patterns(method, selection.adapted);
  check_biases(net, options, selection.adapted);
  check_tying(net, options);
}

}  // namespace svtune
