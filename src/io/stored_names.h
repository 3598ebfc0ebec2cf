// Where a checkpoint keeps a tensor of the network: base models saved without their head leave a
// prefix out in front of their names, older files say gamma and beta for a norm's tensors, and who
// writes a network's state as it is in memory may name its modules otherwise.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "models/arch_spec.h"

namespace svtune {

class StoredNames {
 public:
  StoredNames(const std::vector<std::string>& names, const ArchSpec& spec);

  bool contains(const std::string& stored) const { return names_.contains(stored); }
  // The stored name of the network's `name`; `name` itself when no form of it is stored.
  std::string of(const std::string& name) const;

 private:
  std::set<std::string> names_;
  std::string prefix_;
  std::vector<OldName> old_names_;
  std::vector<RunningName> running_names_;
};

}  // namespace svtune
