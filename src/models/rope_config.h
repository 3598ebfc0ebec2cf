// The rotary embedding as config.json describes it.
#pragma once

#include "base/config_reader.h"
#include "models/arch_spec.h"

namespace svtune {

// Fills spec.rope, and spec.window_rope where a family has set one: parameters per layer type go to
// the two, others to the first. Sizes, default bases, and the width where a family turns a part of
// each head, are there already. Problems go to the reader.
void read_rope(ConfigReader& config, ArchSpec& spec);

// Elements of a head that turn by a share of it: `key` of older files, or partial_rotary_factor
// among the rope parameters, else `fallback`.
std::int64_t turned_width(ConfigReader& config, const ArchSpec& spec, const std::string& key,
                          double fallback);

}  // namespace svtune
