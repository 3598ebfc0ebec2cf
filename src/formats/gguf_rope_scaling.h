// "rope_scaling" of config.json from the keys and tensors of a GGUF file.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_keys.h"

namespace svtune {

struct GgufRope {
  double theta = 10000;        // base of the frequencies
  std::int64_t width = 0;      // elements of a head that turn
  std::int64_t positions = 0;  // the model's longest text in tokens
};

// Null where the file scales nothing. Longrope, of families that have it: a list of divisors for
// texts up to "rope.scaling.original_context_length" tokens and one for longer ones, tensors
// [width / 2] of their own. Throws FileError naming the key or tensor of a scaling that is
// incomplete or not supported.
Json rope_scaling_from_gguf(const GgufFile& file, const GgufFamily& family, const GgufKeys& keys,
                            const GgufRope& rope);

}  // namespace svtune
