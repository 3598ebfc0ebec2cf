// What adapter directories say of the output head of the model.
#pragma once

#include <string>

#include "base/json.h"
#include "io/model.h"

namespace svtune {

// PEFT's task_type: CAUSAL_LM, SEQ_CLS or TOKEN_CLS.
std::string peft_task(HeadTask task);

// What svtune.json says of the head of labels of `model`.
Json head_json(const Model& model);

}  // namespace svtune
