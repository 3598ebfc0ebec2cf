// What would train, and in how much memory, as train and count show it.
#pragma once

#include <string>

#include "attach/attach.h"
#include "train/memory.h"

namespace svtune {

// The adapted layers by kind, e.g. "  30 x q_proj [576, 576], 1,000 trainable", and what trains of
// all parameters.
std::string layers_text(const StartReport& report);

// What --max-memory made of the blocks; "" without it.
std::string recompute_text(const std::string& choice);

// The forecast and its items, one a line.
std::string memory_text(const MemoryForecast& memory);

}  // namespace svtune
