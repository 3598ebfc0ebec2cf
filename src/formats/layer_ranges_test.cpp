#include "formats/layer_ranges.h"

#include <gtest/gtest.h>

namespace svtune {
namespace layer_ranges_test {

TEST(LayerRanges, ListsOfPairsGoThereAndBack) {
  const LayerRanges ranges{{0, 4}, {2, 5}};
  EXPECT_EQ(layer_ranges_json(ranges), parse_json("[[0, 4], [2, 5]]", "ranges"));
  EXPECT_EQ(layer_ranges(layer_ranges_json(ranges)), ranges);
  for (const char* none : {"null", "[]"}) {
    EXPECT_EQ(layer_ranges(parse_json(none, "ranges")), LayerRanges()) << none;
  }
}

TEST(LayerRanges, OtherValuesAreNone) {
  for (const char* text : {"true", "3", "{}", "[3]", "[[0, 2, 3]]", "[[0]]", "[[0, 1.5]]",
                           "[[0, 2], null]", "[[\"0\", 2]]"}) {
    EXPECT_EQ(layer_ranges(parse_json(text, "ranges")), std::nullopt) << text;
  }
}

}  // namespace layer_ranges_test
}  // namespace svtune
