// "name=DIR": directories under names, as options for several adapters give them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace svtune {

struct NamedPath {
  std::string name;
  std::filesystem::path path;
  bool named = false;  // by the user; else after the directory
};

// Each text is "name=DIR" or a directory alone, which is called by its last part ("adapter" within
// a run by the run's). A text that names an existing file is a path, whatever it holds. Throws
// UsageError naming `option` for an empty name or directory and for a name given twice.
std::vector<NamedPath> parse_named_paths(const std::vector<std::string>& texts,
                                         const std::string& option);

// Where `name` stands in the list. Throws UsageError naming `what` it is of and the nearest name.
std::size_t index_of_name(const std::vector<NamedPath>& list, const std::string& name,
                          const std::string& what);

std::vector<std::string> names_of(const std::vector<NamedPath>& list);

}  // namespace svtune
