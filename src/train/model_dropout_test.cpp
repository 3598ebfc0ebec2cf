// The model's own dropout in a training run: a decoder whose configuration asks for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/errors.h"
#include "train/memory.h"
#include "train/train.h"
#include "train/train_test_util.h"

namespace svtune {
namespace model_dropout_test {

using ::testing::HasSubstr;

class QuietObserver final : public TrainObserver {
 public:
  void on_step(const TrainState&, const StepReport&) override {}
  void on_end(const TrainState&, const TrainResult&) override {}
};

struct DropoutRun {
  double rate = 0.2;  // of the configuration, at every place of a decoder, whole branches too
  std::string asked = "config";
  std::uint64_t seed = 1;
  std::optional<std::int64_t> recompute_blocks = {};
};

// The factors after four steps.
std::vector<at::Tensor> factors_of(const DropoutRun& run) {
  ArchSpec spec = test::tiny_spec();
  spec.dropout = {.embedding = run.rate,
                  .attention_weights = run.rate,
                  .attention_output = run.rate,
                  .feed_forward_output = run.rate,
                  .branches = run.rate};
  test::Rig rig{test::tiny_decoder(spec, at::kFloat), {}};
  LoraConfig lora;
  lora.low_rank.rank = 4;
  for (Linear* layer : rig.net->linears()) {
    if (layer == &rig.net->head()) continue;
    layer->attach(
        make_adapter(lora, {layer->name(), layer->base(), hash64(layer->name())}).adapter);
    rig.adapters.layers.push_back(layer);
  }
  test::CyclicSource source(test::random_documents(24, 3), 2);
  TrainConfig config;
  config.batch.gradient_accumulation = 2;
  config.schedule.learning_rate = 1e-2;
  config.model_dropout = run.asked;
  config.seed = run.seed;
  config.activations.recompute_blocks = run.recompute_blocks;
  TrainState state(rig.adapters, source, config.optimizer);
  QuietObserver observer;
  train(*rig.net, state, config, 4, observer);
  std::vector<at::Tensor> factors;
  for (const Trainable& each : rig.adapters.trainables()) {
    factors.push_back(each.tensor.detach().clone());
  }
  return factors;
}

bool same_factors(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::ranges::equal(
      a, b, [](const at::Tensor& x, const at::Tensor& y) { return at::equal(x, y); });
}

TEST(ModelDropoutRun, FollowsFromTheSeedAlsoWhereBlocksRunAgain) {
  const std::vector<at::Tensor> first = factors_of({});
  EXPECT_TRUE(same_factors(first, factors_of({})));
  EXPECT_FALSE(same_factors(first, factors_of({.seed = 2})));
  EXPECT_TRUE(same_factors(first, factors_of({.recompute_blocks = 1})));
  EXPECT_TRUE(same_factors(first, factors_of({.recompute_blocks = 2})));
}

TEST(ModelDropoutRun, IsWhatIsAskedFor) {
  const std::vector<at::Tensor> without = factors_of({.rate = 0});
  EXPECT_FALSE(same_factors(without, factors_of({})));
  EXPECT_TRUE(same_factors(without, factors_of({.asked = "off"})));
  EXPECT_TRUE(same_factors(factors_of({.rate = 0.2}), factors_of({.rate = 0, .asked = "0.2"})));
}

TEST(ModelDropoutRun, OfOtherTextsIsRefused) {
  for (const char* asked : {"half", "", "1", "-0.1", "0.1x", "nan"}) {
    try {
      chosen_dropout(asked, {});
      FAIL() << asked;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("--model-dropout")) << asked;
    }
  }
}

TEST(ModelDropoutRun, CountsItsMasksInTheForecast) {
  test::Rig rig = test::lora_rig(at::kFloat);
  MemoryRequest request;
  request.batch_tokens = 1000;
  add_adapters(request, *rig.net, rig.adapters);
  const std::uint64_t without = predict_memory(*rig.net, request).total();
  request.dropout.attention_output = 0.1;
  const std::uint64_t with = predict_memory(*rig.net, request).total();
  // Two blocks of 32 columns, and an eighth for the allocator; each item is rounded down.
  EXPECT_NEAR(static_cast<double>(with - without), 2 * 1000 * 32 * 9 / 8, 4);
  request.dropout.feed_forward_activation = 0.1;
  const std::uint64_t inside = predict_memory(*rig.net, request).total();
  const auto inner = static_cast<double>(rig.net->spec().intermediate_size);
  EXPECT_NEAR(static_cast<double>(inside - with), 2 * 1000 * inner * 9 / 8, 4);
  request.dropout = {.branches = 0.1};
  const std::uint64_t depth = predict_memory(*rig.net, request).total();
  // Both branches of two blocks, a byte for each row.
  EXPECT_NEAR(static_cast<double>(depth - without), 2 * 2 * 1000 * 9.0 / 8, 4);
}

TEST(ModelDropoutRun, OfARateLeavesPlacesThatTheFamilyLacks) {
  DropoutRates own;
  own.attention_weights = 0.0;
  EXPECT_EQ(dropout_text(chosen_dropout("0.25", own)), "attention weights 0.25");
  own.branches = 0.1;
  EXPECT_EQ(dropout_text(chosen_dropout("0.25", own)),
            "attention weights 0.25, whole branches 0.25");
  EXPECT_EQ(dropout_text(chosen_dropout("off", own)), "");
}

}  // namespace model_dropout_test
}  // namespace svtune
