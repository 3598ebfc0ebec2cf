// What a method may hold for a whole run, on a method made up for it: LoRA whose factors A are
// drawn to zero by a penalty and lose their least important row after each step, by averages that
// go on from step to step.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "train/run_log.h"
#include "train/train_test_util.h"

namespace svtune {
namespace method_state_test {

using test::CyclicSource;
using test::lora_rig;
using test::random_documents;
using test::Rig;
using test::TempDirectory;

constexpr double kWeight = 0.3;
constexpr std::int64_t kSteps = 6;

class PrunedState final : public MethodState {
 public:
  explicit PrunedState(const std::vector<Linear*>& layers) : mark_(at::full({2}, 7.0)) {
    for (Linear* layer : layers) {
      const at::Tensor A = layer->adapter()->trainables()[0].tensor;
      factors_.push_back(A);
      averages_.push_back(at::zeros({A.size(0)}, A.options().requires_grad(false)));
    }
  }

  std::vector<NamedTensor> shared() const override { return {{"mark", mark_}}; }
  std::vector<NamedTensor> changing() const override {
    std::vector<NamedTensor> list;
    for (std::size_t i = 0; i < averages_.size(); ++i) {
      list.push_back({"average." + std::to_string(i), averages_[i]});
    }
    return list;
  }
  at::Tensor penalty() const override {
    at::Tensor sum;
    for (const at::Tensor& A : factors_) {
      const at::Tensor one = A.square().sum() * (kWeight / 2);
      sum = sum.defined() ? sum + one : one;
    }
    return sum;
  }
  void after_step(std::int64_t step, std::int64_t total) override {
    const at::NoGradGuard no_grad;
    steps.push_back(step);
    EXPECT_EQ(total, kSteps);
    gradients.clear();
    for (std::size_t i = 0; i < factors_.size(); ++i) {
      const at::Tensor& A = factors_[i];
      gradients.push_back(A.grad().clone());
      averages_[i].mul_(0.8).add_((A * A.grad()).abs().sum(1), 0.2);
      if (prunes) A.select(0, averages_[i].argsort()[0].item<std::int64_t>()).zero_();
    }
  }

  std::vector<std::int64_t> steps;
  std::vector<at::Tensor> gradients;  // of the last step
  bool prunes = true;

 private:
  at::Tensor mark_;
  std::vector<at::Tensor> factors_, averages_;
};

class Silent final : public TrainObserver {
 public:
  void on_step(const TrainState&, const StepReport& report) override { last = report; }
  void on_end(const TrainState&, const TrainResult&) override {}
  StepReport last;
};

struct Outcome {
  std::vector<at::Tensor> gradients, start;
  StepReport report;
};

// One step with or without the penalty, unclipped.
Outcome one_step(bool penalty, std::int64_t accumulation) {
  Rig rig = lora_rig(at::kDouble);
  Outcome outcome;
  for (Linear* layer : rig.adapters.layers) {
    outcome.start.push_back(layer->adapter()->trainables()[0].tensor.detach().clone());
  }
  const auto state = std::make_shared<PrunedState>(rig.adapters.layers);
  if (penalty) rig.adapters.state = state;
  TrainConfig config;
  config.batch.gradient_accumulation = accumulation;
  config.optimizer.max_grad_norm = 1e30;
  CyclicSource source(random_documents(24, 3), static_cast<std::size_t>(8 / accumulation));
  TrainState run(rig.adapters, source, config.optimizer);
  Silent observer;
  struct Once final : TrainObserver {
    explicit Once(Silent& inner) : inner(inner) {}
    void on_step(const TrainState& s, const StepReport& r) override {
      inner.on_step(s, r);
      done = true;
    }
    void on_end(const TrainState&, const TrainResult&) override {}
    bool should_stop() const override { return done; }
    Silent& inner;
    bool done = false;
  } once(observer);
  train(*rig.net, run, config, kSteps, once);
  outcome.report = observer.last;
  for (Linear* layer : rig.adapters.layers) {
    outcome.gradients.push_back(layer->adapter()->trainables()[0].tensor.grad().clone());
  }
  return outcome;
}

TEST(MethodState, PenaltyEntersTheGradientAndNotTheLoss) {
  const Outcome plain = one_step(false, 1);
  for (const std::int64_t accumulation : {1, 4}) {
    const Outcome with = one_step(true, accumulation);
    EXPECT_NEAR(with.report.loss, plain.report.loss, 1e-9);
    for (std::size_t i = 0; i < plain.gradients.size(); ++i) {
      // The gradient of w/2 |A|^2, whatever the number of tokens and micro-batches; fp64 sums.
      const at::Tensor expected = plain.gradients[i] + plain.start[i] * kWeight;
      EXPECT_LT((with.gradients[i] - expected).abs().max().item<double>(), 1e-9);
    }
  }
}

TEST(MethodState, IsCalledAfterEveryStepWithTheGradientsStillThere) {
  Rig rig = lora_rig(at::kFloat);
  const auto state = std::make_shared<PrunedState>(rig.adapters.layers);
  rig.adapters.state = state;
  CyclicSource source(random_documents(24, 3), 2);
  TrainConfig config;
  TrainState run(rig.adapters, source, config.optimizer);
  Silent observer;
  train(*rig.net, run, config, kSteps, observer);
  EXPECT_EQ(state->steps, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  for (std::size_t i = 0; i < state->gradients.size(); ++i) {
    EXPECT_GT(state->gradients[i].abs().max().item<double>(), 0);
    // A row was taken out of A after the last step, and the factors in use follow.
    Adapter& adapter = *rig.adapters.layers[i]->adapter();
    const at::Tensor rows = adapter.low_rank_delta()->down.abs().sum(1);
    EXPECT_EQ((rows == 0).sum().item<std::int64_t>(), 1);
  }
}

// Takes away the gradient of one leaf.
class ZeroingState final : public MethodState {
 public:
  explicit ZeroingState(at::Tensor leaf) : leaf_(std::move(leaf)) {}
  void before_step() override { leaf_.mutable_grad().zero_(); }

 private:
  at::Tensor leaf_;
};

// Without a gradient AdamW leaves B at zero, where it starts.
TEST(MethodState, MayChangeGradientsBeforeTheStep) {
  Rig rig = lora_rig(at::kFloat);
  const auto B_of = [&](std::size_t layer) {
    return rig.adapters.layers[layer]->adapter()->trainables()[1].tensor;
  };
  rig.adapters.state = std::make_shared<ZeroingState>(B_of(0));
  CyclicSource source(random_documents(24, 3), 2);
  TrainConfig config;
  TrainState run(rig.adapters, source, config.optimizer);
  Silent observer;
  train(*rig.net, run, config, kSteps, observer);
  EXPECT_EQ(B_of(0).abs().max().item<double>(), 0);
  EXPECT_GT(B_of(1).abs().max().item<double>(), 0);
}

TEST(MethodState, SharedTensorsAreFrozenStateOnce) {
  Rig rig = lora_rig(at::kFloat);
  rig.adapters.state = std::make_shared<PrunedState>(rig.adapters.layers);
  const std::vector<NamedTensor> frozen = rig.adapters.frozen_state();
  ASSERT_EQ(frozen.size(), 1u);
  EXPECT_EQ(frozen[0].name, "mark");
}

// Trains in `directory` up to `until`, from its latest checkpoint when there is one.
void train_until(const std::filesystem::path& directory, std::int64_t until) {
  Rig rig = lora_rig(at::kFloat);
  rig.adapters.state = std::make_shared<PrunedState>(rig.adapters.layers);
  CyclicSource source(random_documents(24, 3), 2);
  TrainConfig config;
  config.schedule.learning_rate = 1e-2;
  TrainState run(rig.adapters, source, config.optimizer);
  const auto restored = CheckpointStore(directory).restore_latest(run);
  RunLogOptions options;
  options.directory = directory;
  options.total_steps = kSteps;
  options.save_every = 1;
  options.keep_checkpoints = 100;
  std::atomic<bool> stop{false};
  options.stop = &stop;
  options.on_step = [&](const StepReport& report, const std::optional<MeanLoss>&) {
    stop = report.step == until;
  };
  RunLog log(options, restored);
  train(*rig.net, run, config, kSteps, log);
}

TEST(MethodState, ResumedRunGivesTheSameBytes) {
  const TempDirectory whole, parts;
  train_until(whole.path(), kSteps);
  train_until(parts.path(), 3);
  train_until(parts.path(), kSteps);
  const std::string file = "checkpoints/step-6/state.safetensors";
  EXPECT_TRUE(read_file(whole.path() / file, 1 << 28) == read_file(parts.path() / file, 1 << 28));
}

}  // namespace method_state_test
}  // namespace svtune
