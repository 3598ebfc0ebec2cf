// What is computed twice to save memory, beside the plain way.
#include <gtest/gtest.h>

#include "train/train_test_util.h"

namespace svtune {
namespace recompute_test {

// LoRA on chosen layers, moved away from its start.
test::Rig rig_on(const std::vector<std::string>& names, const ArchSpec& spec) {
  test::Rig rig{test::tiny_decoder(spec, at::kFloat), {}};
  LoraConfig config;
  config.low_rank.rank = 4;
  for (Linear* layer : rig.net->linears()) {
    if (std::ranges::count(names, layer->name()) == 0) continue;
    layer->attach(
        make_adapter(config, {layer->name(), layer->base(), hash64(layer->name())}).adapter);
    rig.adapters.layers.push_back(layer);
  }
  const at::NoGradGuard no_grad;
  for (const Trainable& each : rig.adapters.trainables()) {
    at::Tensor leaf = each.tensor.detach();
    leaf.add_(at::full_like(leaf, 0.02));
  }
  rig.adapters.refresh();
  return rig;
}

struct Outcome {
  double loss;
  std::vector<at::Tensor> gradients;
};

Outcome step_of(test::Rig& rig, const Batch& batch) {
  const at::Tensor loss = rig.net->loss(batch);
  loss.backward();
  Outcome outcome{loss.item<double>(), {}};
  for (const Trainable& each : rig.adapters.trainables()) {
    outcome.gradients.push_back(each.tensor.grad());
  }
  return outcome;
}

TEST(Recompute, BlocksThatTrainNothingAreLeftAlone) {
  const Batch batch = test::pack(test::random_documents(6, 4));
  for (const std::string name : {"model.layers.1.self_attn.q_proj", "lm_head"}) {
    test::Rig plain = rig_on({name}, test::tiny_spec()), again = rig_on({name}, test::tiny_spec());
    again.net->set_recompute(RecomputePlan::all());
    const Outcome wanted = step_of(plain, batch), got = step_of(again, batch);
    EXPECT_EQ(got.loss, wanted.loss) << name;
    for (std::size_t i = 0; i < wanted.gradients.size(); ++i) {
      EXPECT_TRUE(got.gradients[i].equal(wanted.gradients[i])) << name;
    }
  }
}

// Every layer of four blocks; the first so many run again.
TEST(Recompute, AnyNumberOfBlocksGivesTheSameBits) {
  ArchSpec spec = test::tiny_spec();
  spec.num_layers = 4;
  const std::unique_ptr<Network> net = test::tiny_decoder(spec, at::kFloat);
  std::vector<std::string> names;
  for (const Linear* layer : net->linears()) names.push_back(layer->name());
  const Batch batch = test::pack(test::random_documents(6, 4));
  test::Rig plain = rig_on(names, spec);
  const Outcome wanted = step_of(plain, batch);
  ASSERT_GT(wanted.gradients.size(), 4u);
  for (std::int64_t blocks = 1; blocks <= 5; ++blocks) {
    test::Rig again = rig_on(names, spec);
    again.net->set_recompute({blocks});
    const Outcome got = step_of(again, batch);
    EXPECT_EQ(got.loss, wanted.loss) << blocks;
    for (std::size_t i = 0; i < wanted.gradients.size(); ++i) {
      EXPECT_TRUE(got.gradients[i].equal(wanted.gradients[i])) << blocks << " " << i;
    }
  }
}

// A vocabulary so large that a tile of the adapted head has few rows.
TEST(Recompute, TiledLossOfAnAdaptedHeadEqualsWholeLogits) {
  ArchSpec spec = test::tiny_spec();
  spec.vocab_size = 1 << 17;
  const Batch batch = test::pack(test::random_documents(12, 5));
  ASSERT_GT(batch.num_supervised(), 2 * kAdaptedTileElements / spec.vocab_size);
  test::Rig tiled = rig_on({"lm_head"}, spec), whole = rig_on({"lm_head"}, spec);
  const Outcome got = step_of(tiled, batch);
  const at::Tensor rows = whole.net->forward(batch).index_select(0, batch.supervised);
  const at::Tensor loss = at::log_softmax(whole.net->logits(rows), -1)
                              .gather(1, batch.targets.unsqueeze(1))
                              .sum()
                              .neg();
  loss.backward();
  // fp32 sums of other lengths.
  EXPECT_NEAR(got.loss, loss.item<double>(), 1e-5 * loss.item<double>());
  for (std::size_t i = 0; i < got.gradients.size(); ++i) {
    const at::Tensor wanted = whole.adapters.trainables()[i].tensor.grad();
    EXPECT_TRUE(at::allclose(got.gradients[i], wanted, 1e-4, 1e-5)) << i;
  }
  const at::Tensor probabilities = tiled.net->log_probs(batch);
  EXPECT_NEAR(-probabilities.sum().item<double>(), got.loss, 1e-5 * got.loss);
}

}  // namespace recompute_test
}  // namespace svtune
