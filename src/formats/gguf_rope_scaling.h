// "rope_scaling" of config.json from the keys and tensors of a GGUF file.
#pragma once

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_keys.h"

namespace svtune {

// Null where the file scales nothing; `theta` is the base of the frequencies. Throws FileError
// naming the key or tensor of a scaling that is not supported.
Json rope_scaling_from_gguf(const GgufFile& file, const GgufKeys& keys, double theta);

}  // namespace svtune
