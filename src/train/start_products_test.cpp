// Products are chosen layer by layer, on SVFT in bf16 whose factors one layer is spoilt in.
#include "train/start_products.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "adapters/svft/svft.h"
#include "train/train_test_util.h"

namespace svtune {
namespace start_products_test {

using ::testing::ElementsAre;

struct SvftRig {
  std::unique_ptr<Network> net;
  Attached attached;
  std::vector<Batch> documents;
  double base_loss = 0;

  const SvftConfig& method() const { return std::get<SvftConfig>(attached.record.method); }
};

SvftRig svft_rig() {
  SvftRig rig{test::tiny_decoder(test::tiny_spec(), at::kBFloat16), {}, {}};
  test::CyclicSource source(test::random_documents(8, 9), 2, 4);
  rig.documents = start_documents(source);
  rig.base_loss = start_loss(*rig.net, nullptr, rig.documents);
  SvftConfig config;
  config.basis = SvftBasisStorage::kStored;
  config.bandwidth = 2;
  rig.attached.record.method = config;
  for (Linear* layer : rig.net->linears()) {
    if (layer == &rig.net->head()) continue;
    layer->attach(make_adapter(config, {layer->name(), layer->base(), 1}).adapter);
    rig.attached.adapters.layers.push_back(layer);
  }
  return rig;
}

// U, and with it the layer's output, becomes larger by a twentieth.
void spoil(Linear& layer) {
  for (const NamedTensor& each : layer.adapter()->frozen_state()) {
    if (each.name == "svft_U") each.tensor.detach().mul_(1.05);
  }
}

TEST(StartProducts, LayersAreWatchedOnTheInputsThatReachThem) {
  SvftRig rig = svft_rig();
  const std::vector<Linear*>& layers = rig.attached.adapters.layers;
  spoil(*layers[3]);
  std::vector<const Adapter*> adapters;
  for (const Linear* layer : layers) adapters.push_back(layer->adapter());
  const WatchedStart start = watch_start(*rig.net, rig.attached.adapters, rig.documents);
  ASSERT_EQ(start.layers.size(), layers.size());
  EXPECT_EQ(start.layers[0].layer, layers[3]);
  EXPECT_NEAR(start.layers[0].error, 0.05, 0.01);  // rounding in bf16 beside it
  EXPECT_LT(start.layers[1].error, kLayerTolerance);
  EXPECT_EQ(start.loss, start_loss(*rig.net, &rig.attached.adapters, rig.documents));
  for (std::size_t i = 0; i < layers.size(); ++i) EXPECT_EQ(layers[i]->adapter(), adapters[i]);
}

TEST(StartProducts, WhatStartsExactlyIsNotNamed) {
  test::Rig rig = test::lora_rig(at::kFloat);
  test::CyclicSource source(test::random_documents(8, 9), 2, 4);
  EXPECT_TRUE(watch_start(*rig.net, rig.adapters, start_documents(source)).layers.empty());
}

TEST(StartProducts, ALayerThatStartsTooFarLeavesAlone) {
  SvftRig rig = svft_rig();
  Linear& spoilt = *rig.attached.adapters.layers[3];
  spoil(spoilt);
  const SettledStart start =
      settle_start(*rig.net, rig.attached, rig.documents, rig.base_loss, /*tolerance=*/1e-2);
  EXPECT_EQ(start.exact, 1u);
  EXPECT_NEAR(start.loss, rig.base_loss, 1e-2 * rig.base_loss);
  EXPECT_THAT(rig.method().delta_layers, ElementsAre(spoilt.name()));
  for (const Linear* layer : rig.attached.adapters.layers) {
    EXPECT_EQ(layer->adapter()->memory(64).reads_base, layer == &spoilt) << layer->name();
  }
  EXPECT_EQ(settle_start(*rig.net, rig.attached, rig.documents, rig.base_loss, 1e-2).exact, 0u);
}

// Nothing but equal losses is near enough: half after half leaves.
TEST(StartProducts, WorseHalvesLeaveUntilTheLossIsNear) {
  SvftRig rig = svft_rig();
  const SettledStart start =
      settle_start(*rig.net, rig.attached, rig.documents, rig.base_loss, /*tolerance=*/0);
  EXPECT_NE(start.cheapest_loss, rig.base_loss);
  EXPECT_NEAR(start.loss, rig.base_loss, kStartTolerance * rig.base_loss);
  EXPECT_GT(start.exact, rig.attached.adapters.layers.size() / 2);
  EXPECT_EQ(rig.method().delta_layers.size(), start.exact);
}

}  // namespace start_products_test
}  // namespace svtune
