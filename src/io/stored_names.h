// Where a checkpoint keeps a tensor of the network: base models saved without their head leave a
// prefix out in front of their names.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace svtune {

class StoredNames {
 public:
  // `prefix`: what may be left out, such as "model."; may be empty.
  StoredNames(const std::vector<std::string>& names, std::string prefix);

  bool contains(const std::string& stored) const { return names_.contains(stored); }
  // The stored name of the network's `name`; `name` itself when neither form is stored.
  std::string of(const std::string& name) const;

 private:
  std::set<std::string> names_;
  std::string prefix_;
};

}  // namespace svtune
