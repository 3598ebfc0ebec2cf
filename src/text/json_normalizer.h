// The "normalizer" of tokenizer.json.
#pragma once

#include <memory>

#include "text/json_part.h"
#include "text/normalizer.h"

namespace svtune {

// Throws FileError naming an unknown type or a wrong value.
std::unique_ptr<Normalizer> make_normalizer(const JsonPart& part);

}  // namespace svtune
