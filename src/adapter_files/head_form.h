// What adapter directories say of the output head of the model.
#pragma once

#include <string>

#include "base/json.h"
#include "io/model.h"

namespace svtune {

// PEFT's task_type: CAUSAL_LM, SEQ_CLS or TOKEN_CLS; empty for hidden words, which it has no type
// for. FEATURE_EXTRACTION is none: its class loads the encoder without the head.
std::string peft_task(HeadTask task);

// svtune.json's word for a head that finds hidden words.
inline constexpr char kMaskedTask[] = "MASKED_LM";

// What svtune.json says of the head of labels or of hidden words of `model`.
Json head_json(const Model& model);

}  // namespace svtune
