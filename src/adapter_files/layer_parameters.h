// The parameters that transformers 5 has in memory for the layers of a network: PEFT adapts them by
// their own names (target_parameters). A plain matrix is the parameter of one layer; the experts of
// a mixture lie in parameters [experts, out, in], with the rows of several layers in one.
#pragma once

#include <string>
#include <vector>

#include "models/network.h"

namespace svtune {

struct LayerParameter {
  std::string module;  // path in memory of the module that has it
  std::string name;    // below the module
  // Of each expert the layers whose rows it has, in this order; of a plain matrix one layer of one.
  std::vector<std::vector<Linear*>> experts;

  std::string path() const { return module + "." + name; }
  std::vector<Linear*> layers() const;
  std::int64_t in_features() const { return experts[0][0]->in_features(); }
  std::int64_t out_features() const;  // of all layers of an expert
  // A key of rank_pattern that means these layers.
  std::string pattern() const;
};

// Those of all linear layers; those of one module in the order in which the module has them.
std::vector<LayerParameter> layer_parameters(Network& net);

// Path of a module or tensor of the network as transformers 5 has it, in mixtures too.
std::string path_in_memory(const ArchSpec& spec, const std::string& stored);

// Whether transformers 5 has a linear layer for it, which experts and routers are none of.
bool is_linear_layer(const ArchSpec& spec, const LayerParameter& parameter);

// Whether PEFT adapts the parameter by its name alone: target_modules do not reach it.
bool needs_its_name(const ArchSpec& spec, const LayerParameter& parameter);

// Where PEFT keeps the tensors of each, as paths of modules: it wraps a module once for each of its
// adapted parameters, the last outermost.
std::vector<std::string> tensor_paths(const std::vector<LayerParameter>& parameters);

// The last two parts of a path: "experts.down_proj".
std::string short_name(const std::string& path);

}  // namespace svtune
