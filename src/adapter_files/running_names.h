// PEFT's files of models whose modules transformers 5 calls otherwise than checkpoints do: PEFT
// writes and reads the names that modules have in memory, svtune works with the checkpoint's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "adapter_files/layer_parameters.h"
#include "base/json.h"
#include "io/model.h"

namespace svtune {

// Whether tensors of this file are called by names in memory.
bool has_running_names(const ArchSpec& spec, const std::filesystem::path& weights);

// adapter_config.json with the targets as checkpoint names, the layers of `parameters`, which its
// target_parameters name, among them, and the keys of rank_pattern and alpha_pattern as such names
// where they are not PEFT's own. Throws FileError naming `source` as parse_peft_config() does, and
// when the targets do not fit the model or name a layer twice.
Json stored_config(Network& net, Json config, const std::string& source,
                   const std::vector<LayerParameter>& parameters = {});

// adapter_config.json of a file with these `tensors`, called as below PEFT's prefix, without the
// experts and routers of a mixture that its target_modules name too: in transformers 5 they are no
// modules, and PEFT adapts the other layers alone. As it is where the file has tensors of them, or
// of none of the others.
Json without_experts(Network& net, Json config, const std::string& source,
                     const std::vector<std::string>& tensors);

// The shortest list of targets that means these modules of the network, beside modules that are
// saved whole: ends of their names, or the names.
std::vector<std::string> shortest_targets(Network& net, const std::vector<std::string>& modules,
                                          const std::vector<std::string>& saved);

// The same file with the patterns' keys for modules as they are in memory; `layers` are adapted.
Json running_patterns(const ArchSpec& spec, Json config, const std::vector<std::string>& layers);

}  // namespace svtune
