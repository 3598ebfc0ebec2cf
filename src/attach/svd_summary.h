// What the decompositions of a run's start promise, in a few lines.
#pragma once

#include <string>
#include <vector>

#include "attach/attach.h"

namespace svtune {

// "Decomposition: ...", "Certificate: ...", "Fallback: ...", each a label and a text; none for
// methods without decomposition.
std::vector<std::string> svd_summary(const StartReport& report);

}  // namespace svtune
