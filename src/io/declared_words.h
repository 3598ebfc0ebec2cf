// The words of a model by its configuration alone, without any weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/arch_spec.h"

namespace svtune {

// The modules that have a row for each word, and how many these are.
struct DeclaredWords {
  std::int64_t count = 0;
  std::string embedding, head;     // paths, whether or not the head is tied
  std::string base_prefix;         // that a checkpoint may leave out in front of them
  bool head_has_words = true;      // false: labels
  std::vector<OldName> old_names;  // ends of names that a checkpoint may spell otherwise
  // What the head predicts.
  HeadTask task = HeadTask::kNextToken;
};

// Throws FileError as parse_arch does, naming `source`.
DeclaredWords declared_words(const Json& config, const std::string& source);

}  // namespace svtune
