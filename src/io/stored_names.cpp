#include "io/stored_names.h"

#include <algorithm>

namespace svtune {

StoredNames::StoredNames(const std::vector<std::string>& names, const ArchSpec& spec)
    : names_(names.begin(), names.end()),
      prefix_(spec.base_prefix),
      old_names_(spec.old_names),
      running_names_(spec.running_names) {}

std::string StoredNames::of(const std::string& name) const {
  std::vector<std::string> candidates{name};
  if (const std::string running = running_path(running_names_, name); running != name) {
    candidates.push_back(running);
  }
  for (std::size_t i = 0, count = candidates.size(); i < count; ++i) {
    if (prefix_.empty() || !candidates[i].starts_with(prefix_)) continue;
    candidates.push_back(candidates[i].substr(prefix_.size()));
  }
  for (const OldName& old : old_names_) {
    if (!name.ends_with(old.now)) continue;
    for (std::size_t i = 0, count = candidates.size(); i < count; ++i) {
      const std::string& each = candidates[i];
      candidates.push_back(each.substr(0, each.size() - old.now.size()) + old.before);
    }
  }
  const auto found =
      std::ranges::find_if(candidates, [&](const auto& each) { return contains(each); });
  return found == candidates.end() ? name : *found;
}

}  // namespace svtune
