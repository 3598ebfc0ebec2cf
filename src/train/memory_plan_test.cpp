// How many blocks a memory target lets run again, and that a run so planned ends in the same bytes.
#include "train/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "base/text_util.h"
#include "train/label_run_test_util.h"
#include "train/run_config.h"
#include "train/train_test_util.h"
#include "train/training_run.h"

namespace svtune {
namespace memory_plan_test {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

constexpr std::int64_t kBlocks = 6;

// LoRA on all layers of the blocks from `first` on.
test::Rig rig_from(std::int64_t first) {
  ArchSpec spec = test::tiny_spec();
  spec.num_layers = kBlocks;
  test::Rig rig{test::tiny_decoder(spec, at::kFloat), {}};
  LoraConfig config;
  config.low_rank.rank = 4;
  for (std::int64_t i = first; i < kBlocks; ++i) {
    for (Linear* layer : linears_of(rig.net->blocks()[static_cast<std::size_t>(i)])) {
      layer->attach(
          make_adapter(config, {layer->name(), layer->base(), hash64(layer->name())}).adapter);
      rig.adapters.layers.push_back(layer);
    }
  }
  return rig;
}

MemoryRequest request_of(test::Rig& rig) {
  MemoryRequest request;
  request.batch_tokens = 4096;
  request.longest_document = 128;
  add_adapters(request, *rig.net, rig.adapters);
  return request;
}

// With so many blocks computed again.
std::uint64_t total_with(test::Rig& rig, std::int64_t blocks) {
  MemoryRequest request = request_of(rig);
  request.recompute.blocks = blocks;
  return predict_memory(*rig.net, request).total();
}

TEST(MemoryPlan, ComputesNoMoreAgainThanTheTargetAsksFor) {
  test::Rig rig = rig_from(0);
  const MemoryRequest request = request_of(rig);
  for (std::int64_t blocks = 0; blocks < kBlocks; ++blocks) {
    const std::uint64_t target = total_with(rig, blocks);
    const MemoryPlan exact = plan_memory(*rig.net, request, target);
    EXPECT_EQ(exact.recompute.blocks, blocks);
    EXPECT_EQ(exact.blocks, kBlocks);
    EXPECT_EQ(exact.forecast.total(), target);
    if (blocks + 1 == kBlocks) continue;
    // A byte less costs one block more.
    const MemoryPlan less = plan_memory(*rig.net, request, target - 1);
    EXPECT_EQ(less.recompute.blocks, blocks + 1);
    EXPECT_LT(less.forecast.total(), target);
  }
}

// It lives again right behind the forward pass: its tensors and its input at once.
TEST(MemoryPlan, TheLastBlockIsWorthNothingBesideASmallHead) {
  test::Rig rig = rig_from(0);
  EXPECT_GE(total_with(rig, kBlocks), total_with(rig, kBlocks - 1));
}

TEST(MemoryPlan, CountsTheBlocksThatBackwardGoesThrough) {
  test::Rig rig = rig_from(4);
  const MemoryPlan plan = plan_memory(*rig.net, request_of(rig), total_with(rig, 1));
  EXPECT_EQ(plan.blocks, 2);
  EXPECT_EQ(plan.recompute.blocks, 1);
}

TEST(MemoryPlan, KeepsWhatWasAskedForAtLeast) {
  test::Rig rig = rig_from(0);
  MemoryRequest request = request_of(rig);
  request.recompute.blocks = 2;
  EXPECT_EQ(plan_memory(*rig.net, request, 1ull << 40).recompute.blocks, 2);
  request.recompute = RecomputePlan::all();
  EXPECT_EQ(plan_memory(*rig.net, request, 1ull << 40).recompute.blocks, kBlocks);
}

TEST(MemoryPlan, SaysWhatItChose) {
  test::Rig rig = rig_from(0);
  MemoryPlan plan = plan_memory(*rig.net, request_of(rig), total_with(rig, 3));
  plan.forecast = MemoryForecast{{{"all", 3ull << 30}}};
  EXPECT_EQ(plan_text(plan, 4ull << 30), "recompute 3 of 6 blocks: 3.00 GiB of 4.00 GiB");
  plan.recompute.blocks = 0;
  EXPECT_EQ(plan_text(plan, 4ull << 30),
            "keep what backward needs of 6 blocks: 3.00 GiB of 4.00 GiB");
}

TEST(MemoryPlan, ATargetBelowEveryPlanIsRefusedWithTheSmallest) {
  test::Rig rig = rig_from(0);
  const std::uint64_t least = total_with(rig, kBlocks - 1);
  try {
    plan_memory(*rig.net, request_of(rig), least - 1);
    FAIL() << "no plan is so small";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("at least " + format_bytes(least)));
    EXPECT_THAT(error.what(), HasSubstr("5 of 6 blocks"));
    EXPECT_THAT(error.what(), HasSubstr("activations"));
    EXPECT_THAT(error.hint(), HasSubstr("--batch-size"));
    EXPECT_THAT(error.hint(), HasSubstr("--base-dtype"));
  }
}

class Watcher final : public RunObserver {
 public:
  void planned(const RunPlan& told) override { plan = told; }
  void step(const StepReport& report, const std::optional<MeanLoss>&) override {
    if (report.step == stop_after) stop_ = true;
  }
  const std::atomic<bool>* stop() const override { return &stop_; }

  std::optional<RunPlan> plan;
  std::int64_t stop_after = -1;

 private:
  std::atomic<bool> stop_{false};
};

class MemoryTarget : public testing::Test {
 protected:
  MemoryTarget() { test::write_word_encoder(directory_ / "model"); }

  TrainOptions run_in(const std::string& folder) const {
    TrainOptions options = test::label_run(directory_.path(), TrainTask::kClassify);
    options.train.max_steps = 4;
    options.train.batch.gradient_accumulation = 2;
    options.run.output = directory_ / folder;
    return options;
  }
  std::string trained_in(const std::string& folder) const {
    return read_file(directory_ / folder / "adapter" / "adapter_model.safetensors", 1 << 26);
  }

  test::TempDirectory directory_;
};

TEST_F(MemoryTarget, AResumedRunKeepsItsPlanAndEndsInTheBytesOfAnUnplannedOne) {
  Watcher plain;
  run_training(run_in("plain"), plain);
  ASSERT_TRUE(plain.plan);
  EXPECT_EQ(plain.plan->recompute, "");

  TrainOptions options = run_in("planned");
  options.train.activations.max_memory = static_cast<std::int64_t>(plain.plan->memory.total()) - 1;
  Watcher first;
  first.stop_after = 2;
  EXPECT_TRUE(run_training(options, first).stopped);
  EXPECT_THAT(first.plan->recompute, HasSubstr("recompute 1 of 2 blocks: "));
  EXPECT_LT(first.plan->memory.total(), plain.plan->memory.total());

  const Json config = read_json_file(config_file(options.run.output));
  EXPECT_EQ(config.at("recompute_blocks"), 1);
  EXPECT_TRUE(config.at("max_memory").is_null());
  options.train.activations.max_memory.reset();
  options.train.activations.recompute_blocks = config.at("recompute_blocks").get<std::int64_t>();
  options.run.resume = true;
  Watcher second;
  EXPECT_EQ(run_training(options, second).steps, 4);
  EXPECT_EQ(second.plan->memory.total(), first.plan->memory.total());
  EXPECT_TRUE(trained_in("planned") == trained_in("plain"));
}

TEST_F(MemoryTarget, ARehearsalSaysThePlanToo) {
  TrainOptions options = run_in("rehearsed");
  options.run.dry_run = true;
  Watcher plain, planned;
  rehearse_training(options, plain);
  options.train.activations.max_memory = static_cast<std::int64_t>(plain.plan->memory.total()) - 1;
  rehearse_training(options, planned);
  EXPECT_THAT(planned.plan->recompute, HasSubstr("recompute 1 of 2 blocks: "));
  EXPECT_FALSE(fs::exists(options.run.output));
}

TEST_F(MemoryTarget, ATooSmallOneIsRefusedBeforeAnyFileIsWritten) {
  for (const auto& base : {std::optional<QuantType>(), std::optional(QuantType::kNf4)}) {
    TrainOptions options = run_in("refused");
    options.model.base_dtype = base;
    options.train.activations.max_memory = 1 << 20;
    Watcher observer;
    EXPECT_THROW(run_training(options, observer), RunError);
    EXPECT_FALSE(observer.plan);  // found out before adapters were made
    EXPECT_FALSE(fs::exists(options.run.output));
  }
}

}  // namespace memory_plan_test
}  // namespace svtune
