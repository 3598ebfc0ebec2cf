// The one list of tasks. A new task is a file, a name here and a line in CMakeLists.txt.
#pragma once

#include <variant>

#include "eval/exact_match.h"
#include "eval/label_tasks.h"
#include "eval/masked_words.h"
#include "eval/perplexity.h"

namespace svtune {

using EvalTask =
    std::variant<Perplexity, ExactMatch, Classification, Regression, Tagging, MaskedWords>;

}  // namespace svtune
