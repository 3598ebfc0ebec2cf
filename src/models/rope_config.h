// The rotary embedding as config.json describes it.
#pragma once

#include "base/config_reader.h"
#include "models/arch_spec.h"

namespace svtune {

// Fills spec.rope; sizes, and the width where a family turns a part of each head, are there
// already. Problems go to the reader.
void read_rope(ConfigReader& config, ArchSpec& spec);

}  // namespace svtune
