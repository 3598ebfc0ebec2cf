// Keys as a running PEFT model calls its tensors: with the adapter's name behind the part that it
// belongs to, "lora_A.default.weight", and "lora_magnitude_vector.default.weight". Files usually
// have them without, "lora_A.weight", and "lora_magnitude_vector".
#pragma once

#include <map>
#include <string>
#include <vector>

namespace svtune {

// Usual key -> key in the file, for each of `names`. Throws FileError(source) when the names of two
// adapters occur.
std::map<std::string, std::string> keys_without_adapter_name(const std::vector<std::string>& names,
                                                             const std::string& source);

}  // namespace svtune
