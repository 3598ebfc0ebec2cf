// config.json and generation_config.json from the metadata of a GGUF file.
#pragma once

#include "base/json.h"
#include "formats/dtype.h"
#include "formats/gguf.h"

namespace svtune {

// config.json as transformers writes it for the family (those of gguf_family.h, and
// mistral); `dtype` is what it names as the weights' type. Throws FileError naming the key for
// an unknown architecture, a missing or impossible value, and any key of the architecture
// that is not understood (it might change the mathematics).
Json hf_config_from_gguf(const GgufFile& file, DType dtype = DType::kF32);

// generation_config.json: begin, end (with the end-of-turn token when it differs) and padding.
Json generation_config_from_gguf(const GgufFile& file);

}  // namespace svtune
