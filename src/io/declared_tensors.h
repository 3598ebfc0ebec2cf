// The tensors of a network by its configuration alone, without any weights.
#pragma once

#include <string>

#include "base/json.h"
#include "formats/gguf_checkpoint.h"

namespace svtune {

// Names and shapes as the parts of the network declare them; a tied head has none of its own.
// Throws FileError as parse_arch does, naming `source`.
TensorShapes declared_tensors(const Json& config, const std::string& source);

}  // namespace svtune
