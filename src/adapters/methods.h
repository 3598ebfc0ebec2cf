// The one list of methods. A new method is a folder, a line here and a line in CMakeLists.txt;
// command line, JSON, docs and the contract tests come from this list.
#pragma once

#include <variant>

#include "adapters/full/full.h"
#include "adapters/lora/lora.h"
#include "adapters/pissa/pissa.h"
#include "adapters/svft/svft.h"

namespace svtune {

using MethodConfig = std::variant<PissaConfig, SvftConfig, LoraConfig, FullConfig>;

}  // namespace svtune
