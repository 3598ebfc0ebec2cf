#include "adapter_files/named_path.h"

#include <algorithm>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

std::string name_after(const std::filesystem::path& path) {
  std::filesystem::path own = path.lexically_normal();
  if (own.filename().empty()) own = own.parent_path();
  const std::string last = own.filename().string();
  const bool in_run = last == "adapter" || last == "adapter-best";
  const std::string parent = own.parent_path().filename().string();
  return in_run && !parent.empty() ? parent : last;
}

NamedPath parse_one(const std::string& text, const std::string& option) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || std::filesystem::exists(text)) {
    return {name_after(text), text, false};
  }
  NamedPath result{text.substr(0, equals), text.substr(equals + 1), true};
  if (!result.name.empty() && !result.path.empty()) return result;
  throw UsageError(option + ": got \"" + text + "\", need name=DIR",
                   "E.g. " + option + " first=runs/first/adapter.");
}

}  // namespace

std::vector<NamedPath> parse_named_paths(const std::vector<std::string>& texts,
                                         const std::string& option) {
  std::vector<NamedPath> list;
  for (const std::string& text : texts) {
    NamedPath one = parse_one(text, option);
    if (std::ranges::count(list, one.name, &NamedPath::name) > 0) {
      throw UsageError(option + ": two are called \"" + one.name + "\"",
                       "Name them apart: " + option + " a=DIR " + option + " b=DIR.");
    }
    list.push_back(std::move(one));
  }
  return list;
}

std::size_t index_of_name(const std::vector<NamedPath>& list, const std::string& name,
                          const std::string& what) {
  const auto found = std::ranges::find(list, name, &NamedPath::name);
  if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
  const std::vector<std::string> names = names_of(list);
  const std::string nearest = nearest_name(name, names);
  throw UsageError(what + ": no adapter is called \"" + name + "\", there are " + join(names, ", "),
                   nearest.empty() ? "" : "Did you mean \"" + nearest + "\"?");
}

std::vector<std::string> names_of(const std::vector<NamedPath>& list) {
  std::vector<std::string> names;
  for (const NamedPath& each : list) names.push_back(each.name);
  return names;
}

}  // namespace svtune
