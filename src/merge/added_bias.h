// Biases that merging has to make where the base model has none.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "models/network.h"

namespace svtune {

struct AddedBiases {
  std::vector<std::string> layers;    // that get a bias, in the model's order
  std::set<std::string> config_keys;  // that have to be true for them
};

// For the biases among the `changed` tensors that the network lacks. A key of config.json speaks
// for all layers of a kind, so all of them get a bias. Throws ModelError naming a layer that can
// have none.
AddedBiases added_biases(Network& net, const std::set<std::string>& changed);

}  // namespace svtune
