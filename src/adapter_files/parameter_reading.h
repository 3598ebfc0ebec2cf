// Reads PEFT's target_parameters, which adapt parameters in place of modules
// (adapter_files/layer_parameters.h): keys and tensors are translated at the border of PEFT's
// files, everything else knows layers.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter_files/side_file.h"
#include "adapter_files/tensor_filler.h"
#include "base/json.h"
#include "io/model.h"

namespace svtune {

// An adapter with target_parameters as one of layers.
struct ParameterReading {
  Json config;                       // adapter_config.json that says so
  std::vector<NamedTensor> tensors;  // of the layers, under PEFT's keys
  std::vector<std::string> keys;     // of the file's tensors that these are made of

  void supply(TensorFiller& filler) const;
};

// Nothing when `config` names no parameters. Where the files are what svtune writes for the
// adapter of `side`, that one's ranks and dropout count; otherwise every layer of a parameter has
// the parameter's rank, and layers of one expert start on copies of their A. Throws FileError as
// parse_peft_config() does, for names that mean no matrix of a linear layer, and listing tensors
// that are missing or misshapen.
std::optional<ParameterReading> read_parameters(Network& net, const Json& config,
                                                const std::filesystem::path& directory,
                                                const std::optional<SideFile>& side);

}  // namespace svtune
