#include "attach/layer_kinds.h"

#include <gtest/gtest.h>

namespace svtune {
namespace layer_kinds_test {

AdaptedLayer layer(const std::string& name, std::int64_t out, std::int64_t in,
                   std::int64_t trainable) {
  AdaptedLayer layer;
  layer.name = name;
  layer.out_features = out;
  layer.in_features = in;
  layer.trainable = trainable;
  return layer;
}

TEST(LayerKinds, GathersLayersOfOneNameAndShape) {
  StartReport report;
  report.layers = {layer("h.0.q", 4, 8, 10), layer("h.0.v", 2, 8, 5), layer("h.1.q", 4, 8, 10),
                   layer("h.2.q", 8, 8, 20)};
  const std::vector<LayerKind> kinds = layer_kinds(report);
  ASSERT_EQ(kinds.size(), 3u);  // a q of another shape is another kind
  EXPECT_EQ(kinds[0].name, "q");
  EXPECT_EQ(kinds[0].layers, 2);
  EXPECT_EQ(kinds[0].trainable, 20);
  EXPECT_EQ(kinds[1].name, "v");
  EXPECT_EQ(kinds[2].out_features, 8);
}

TEST(LayerKinds, GivesTheTrainedShareInPerCentOfTheBase) {
  StartReport report;
  report.trainable = 5;
  report.total = 400;
  EXPECT_DOUBLE_EQ(trainable_percent(report), 1.25);
}

}  // namespace layer_kinds_test
}  // namespace svtune
