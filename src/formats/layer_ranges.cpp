#include "formats/layer_ranges.h"

namespace svtune {

std::optional<LayerRanges> layer_ranges(const Json& json) {
  LayerRanges ranges;
  if (json.is_null()) return ranges;
  if (!json.is_array()) return std::nullopt;
  for (const Json& each : json) {
    const bool is_range = each.is_array() && each.size() == 2 && each[0].is_number_integer() &&
                          each[1].is_number_integer();
    if (!is_range) return std::nullopt;
    ranges.emplace_back(each[0].get<std::int64_t>(), each[1].get<std::int64_t>());
  }
  return ranges;
}

Json layer_ranges_json(const LayerRanges& ranges) {
  Json list = Json::array();
  for (const auto& [begin, end] : ranges) list.push_back(Json::array({begin, end}));
  return list;
}

}  // namespace svtune
