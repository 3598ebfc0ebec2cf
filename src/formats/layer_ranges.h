// PEFT's layer_replication: blocks of a checkpoint that occur again in a deeper model.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/json.h"

namespace svtune {

// [first, end) of blocks of a checkpoint, one range after the other.
using LayerRanges = std::vector<std::pair<std::int64_t, std::int64_t>>;

// Of [[first, end], ...], and none of null; nullopt for another value. And back.
std::optional<LayerRanges> layer_ranges(const Json& json);
Json layer_ranges_json(const LayerRanges& ranges);

}  // namespace svtune
