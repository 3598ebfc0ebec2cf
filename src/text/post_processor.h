// Post-processors of tokenizer.json for a single sequence: the tokens put in front of and
// behind the ids of a text (<s>, [CLS], ...).
#pragma once

#include <cstdint>
#include <vector>

#include "text/json_part.h"

namespace svtune {

struct SpecialFrame {
  std::vector<std::int32_t> prefix;
  std::vector<std::int32_t> suffix;

  bool operator==(const SpecialFrame&) const = default;
};

// From the "post_processor" object. Throws FileError naming an unknown type, a special token
// without ids, or a template that does not contain the text exactly once.
SpecialFrame make_post_processor(const JsonPart& part);

}  // namespace svtune
