#include "io/stored_names.h"

#include <utility>

namespace svtune {

StoredNames::StoredNames(const std::vector<std::string>& names, std::string prefix)
    : names_(names.begin(), names.end()), prefix_(std::move(prefix)) {}

std::string StoredNames::of(const std::string& name) const {
  if (prefix_.empty() || contains(name) || !name.starts_with(prefix_)) return name;
  const std::string shortened = name.substr(prefix_.size());
  return contains(shortened) ? shortened : name;
}

}  // namespace svtune
