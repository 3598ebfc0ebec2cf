#include "train/train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/errors.h"
#include "eval/perplexity.h"
#include "train/start_check.h"
#include "train/train_test_util.h"

namespace svtune {
namespace train_test {

using test::CyclicSource;
using test::lora_rig;
using test::pack;
using test::random_documents;
using test::Rig;
using ::testing::HasSubstr;

class Recorder final : public TrainObserver {
 public:
  void on_step(const TrainState&, const StepReport& report) override {
    reports.push_back(report);
    if (at_step) at_step(report);
  }
  void on_end(const TrainState&, const TrainResult&) override { ++ends; }
  void on_failure(const TrainState& state) noexcept override {
    ++failures;
    failed_after = state.step;
    failed_at = state.batches.position();
  }
  bool should_stop() const override {
    return static_cast<std::int64_t>(reports.size()) == stop_after;
  }

  std::vector<StepReport> reports;
  std::function<void(const StepReport&)> at_step;
  std::int64_t stop_after = -1;
  int ends = 0, failures = 0;
  std::int64_t failed_after = -1;
  Json failed_at;
};

TrainConfig quick_config(std::int64_t accumulation) {
  TrainConfig config;
  config.batch.gradient_accumulation = accumulation;
  config.schedule.learning_rate = 1e-2;
  config.optimizer.max_grad_norm = 1.0;
  return config;
}

std::vector<at::Tensor> values_of(const AdapterSet& adapters) {
  std::vector<at::Tensor> values;
  for (const Trainable& each : adapters.trainables()) {
    values.push_back(each.tensor.detach().clone());
  }
  return values;
}

// Trains `steps` steps with `per_batch` documents a micro-batch; returns the final factors.
std::vector<at::Tensor> train_once(Rig& rig, std::size_t per_batch, std::int64_t accumulation,
                                   std::int64_t steps, Recorder& recorder) {
  CyclicSource source(random_documents(24, 3), per_batch);
  const TrainConfig config = quick_config(accumulation);
  TrainState state(rig.adapters, source, config.optimizer);
  train(*rig.net, state, config, steps, recorder);
  return values_of(rig.adapters);
}

double largest_difference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  }
  return largest;
}

bool same_bits(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!at::equal(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

TEST(Train, PackedLossEqualsUnpackedLoss) {
  Rig rig = lora_rig(at::kDouble);
  const std::vector<test::Document> documents = random_documents(6, 5);
  double one_by_one = 0;
  for (const test::Document& each : documents) {
    one_by_one += rig.net->loss(pack({each})).item<double>();
  }
  // fp64, so only the order of sums differs.
  EXPECT_NEAR(rig.net->loss(pack(documents)).item<double>(), one_by_one, 1e-9);
}

TEST(Train, AccumulationEqualsOneLargeBatch) {
  Rig split = lora_rig(at::kDouble), whole = lora_rig(at::kDouble);
  Recorder split_log, whole_log;
  const auto a = train_once(split, 2, 4, 5, split_log), b = train_once(whole, 8, 1, 5, whole_log);
  ASSERT_EQ(split_log.reports.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(split_log.reports[i].loss, whole_log.reports[i].loss, 1e-9);
    EXPECT_NEAR(split_log.reports[i].grad_norm, whole_log.reports[i].grad_norm, 1e-9);
    EXPECT_EQ(split_log.reports[i].supervised_tokens, whole_log.reports[i].supervised_tokens);
  }
  // fp64 sums in another order; Adam divides small gradients by themselves, which magnifies.
  EXPECT_LT(largest_difference(a, b), 1e-6);
}

TEST(Train, WithoutPackingTheGradientsAreTheSame) {
  std::vector<std::vector<at::Tensor>> results;
  std::vector<Recorder> logs(2);
  for (const bool packing : {true, false}) {
    Rig rig = lora_rig(at::kDouble);
    CyclicSource source(random_documents(24, 3), 4);
    TrainConfig config = quick_config(2);
    config.batch.packing = packing;
    TrainState state(rig.adapters, source, config.optimizer);
    train(*rig.net, state, config, 4, logs[results.size()]);
    results.push_back(values_of(rig.adapters));
  }
  ASSERT_EQ(logs[0].reports.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(logs[0].reports[i].loss, logs[1].reports[i].loss, 1e-9);
    EXPECT_EQ(logs[0].reports[i].tokens, logs[1].reports[i].tokens);
  }
  EXPECT_LT(largest_difference(results[0], results[1]), 1e-6);
}

TEST(Train, LossFallsAndOnlyTrainablesChange) {
  Rig rig = lora_rig(at::kFloat);
  std::vector<at::Tensor> frozen, before;
  for (Linear* layer : rig.net->linears()) frozen.push_back(layer->base().dense());
  for (const NamedParameter& each : rig.net->parameters()) frozen.push_back(*each.tensor);
  for (const at::Tensor& each : frozen) before.push_back(each.clone());
  const std::vector<at::Tensor> start = values_of(rig.adapters);
  Recorder log;
  const std::vector<at::Tensor> end = train_once(rig, 4, 2, 40, log);
  EXPECT_LT(log.reports.back().loss, 0.9 * log.reports.front().loss);
  EXPECT_TRUE(same_bits(frozen, before));
  for (std::size_t i = 0; i < start.size(); ++i) EXPECT_FALSE(at::equal(start[i], end[i])) << i;
  for (const at::Tensor& each : frozen) EXPECT_FALSE(each.requires_grad());
  EXPECT_EQ(log.ends, 1);
}

TEST(Train, SameSeedSameBitsWithDropoutAndAnotherSeedDiffers) {
  const auto run = [](std::uint64_t seed) {
    Rig rig = lora_rig(at::kFloat, 0.2);
    CyclicSource source(random_documents(24, 3), 2);
    TrainConfig config = quick_config(2);
    config.seed = seed;
    TrainState state(rig.adapters, source, config.optimizer);
    Recorder log;
    train(*rig.net, state, config, 6, log);
    return values_of(rig.adapters);
  };
  const std::vector<at::Tensor> first = run(1);
  EXPECT_TRUE(same_bits(first, run(1)));
  EXPECT_FALSE(same_bits(first, run(2)));
}

TEST(Train, RecomputeGivesTheSameBits) {
  const auto run = [](std::optional<std::int64_t> blocks) {
    Rig rig = lora_rig(at::kFloat, 0.2);
    CyclicSource source(random_documents(24, 3), 2);
    TrainConfig config = quick_config(2);
    config.activations.recompute_blocks = blocks;
    TrainState state(rig.adapters, source, config.optimizer);
    Recorder log;
    train(*rig.net, state, config, 4, log);
    return values_of(rig.adapters);
  };
  const std::vector<at::Tensor> kept = run(std::nullopt);
  for (const std::int64_t blocks : {1, 2, 3}) EXPECT_TRUE(same_bits(kept, run(blocks))) << blocks;
}

TEST(Train, ReportsCountTokensAndRates) {
  Rig rig = lora_rig(at::kFloat);
  const std::vector<test::Document> documents = random_documents(24, 3);
  Recorder log;
  train_once(rig, 2, 2, 3, log);
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < 4; ++i) tokens += static_cast<std::int64_t>(documents[i].size());
  const StepReport& first = log.reports[0];
  EXPECT_EQ(first.tokens, tokens);
  EXPECT_EQ(first.supervised_tokens, tokens - 4);
  EXPECT_EQ(first.step, 1);
  EXPECT_EQ(first.total_steps, 3);
  EXPECT_EQ(first.learning_rate, 5e-3);  // one step of warm-up, half way to the peak
  EXPECT_EQ(log.reports[1].learning_rate, 1e-2);
  EXPECT_GT(first.seconds, 0.0);
  EXPECT_NEAR(first.epoch, 4.0 / 24, 1e-12);
}

TEST(Train, BrokenWeightStopsBeforeTheUpdateNamingTheStep) {
  Rig rig = lora_rig(at::kFloat);
  CyclicSource source(random_documents(24, 3), 2);
  const TrainConfig config = quick_config(1);
  TrainState state(rig.adapters, source, config.optimizer);
  std::vector<at::Tensor> good;
  Recorder log;
  log.at_step = [&](const StepReport& report) {
    if (report.step != 3) return;
    good = values_of(rig.adapters);
    rig.net->linears()[4]->base().dense().fill_(std::nan(""));
  };
  try {
    train(*rig.net, state, config, 10, log);
    FAIL() << "a NaN went unnoticed";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("step 4: the loss is NaN"));
    EXPECT_THAT(error.hint(), HasSubstr("--resume"));
  }
  EXPECT_EQ(state.step, 3);
  EXPECT_TRUE(same_bits(values_of(rig.adapters), good));
  EXPECT_EQ(log.failures, 1);
  EXPECT_EQ(log.failed_after, 3);
  EXPECT_EQ(log.failed_at.at("given"), 3) << "step 4 must find its data again";
}

TEST(Train, ErrorsOfTheObserverFindTheStateOfTheirStep) {
  Rig rig = lora_rig(at::kFloat);
  CyclicSource source(random_documents(24, 3), 2);
  const TrainConfig config = quick_config(2);
  TrainState state(rig.adapters, source, config.optimizer);
  Recorder log;
  log.at_step = [](const StepReport& report) {
    if (report.step == 2) throw FileError("metrics.jsonl", "No space left");
  };
  EXPECT_THROW(train(*rig.net, state, config, 10, log), FileError);
  EXPECT_EQ(log.failures, 1);
  EXPECT_EQ(log.failed_after, 2);
  EXPECT_EQ(log.failed_at.at("given"), 4);
}

TEST(Train, StopsBetweenStepsWhenAsked) {
  Rig rig = lora_rig(at::kFloat);
  CyclicSource source(random_documents(24, 3), 2);
  const TrainConfig config = quick_config(1);
  TrainState state(rig.adapters, source, config.optimizer);
  Recorder log;
  log.stop_after = 2;
  const TrainResult result = train(*rig.net, state, config, 10, log);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.steps, 2);
  EXPECT_EQ(log.ends, 1);
}

TEST(Train, EndsWithTheDataInAShorterStep) {
  Rig rig = lora_rig(at::kFloat);
  CyclicSource source(random_documents(24, 3), 2, /*limit=*/5);
  const TrainConfig config = quick_config(2);
  TrainState state(rig.adapters, source, config.optimizer);
  Recorder log;
  const TrainResult result = train(*rig.net, state, config, 10, log);
  EXPECT_EQ(result.steps, 3);
  EXPECT_FALSE(result.stopped);
  EXPECT_LT(log.reports[2].tokens, log.reports[1].tokens);
}

TEST(Train, StepWithoutSupervisedTokensIsAnError) {
  Rig rig = lora_rig(at::kFloat);
  CyclicSource source({{5}, {6}}, 2);
  const TrainConfig config = quick_config(1);
  TrainState state(rig.adapters, source, config.optimizer);
  Recorder log;
  EXPECT_THROW(train(*rig.net, state, config, 2, log), RunError);
}

TEST(LossMeter, EqualsTheTrainingLossWithoutDropout) {
  Rig rig = lora_rig(at::kDouble, 0.5);
  CyclicSource source(random_documents(8, 9), 2, 4);
  rig.adapters.begin_micro_batch(false, 0);
  LossMeter meter;
  while (const std::optional<Batch> batch = source.next()) meter.add(*rig.net, *batch);
  const MeanLoss result = meter.mean();
  const Batch all = pack(random_documents(8, 9));
  const double mean = rig.net->loss(all).item<double>() / static_cast<double>(all.num_supervised());
  EXPECT_NEAR(result.loss, mean, 1e-9);  // fp64, another order of sums
  EXPECT_NEAR(result.perplexity, std::exp(mean), 1e-7);
  EXPECT_EQ(result.supervised_tokens, all.num_supervised());
  EXPECT_EQ(result.tokens, all.num_tokens());
}

TEST(StartCheck, LoraStartsAtTheBaseAndAShiftIsRefused) {
  CyclicSource source(random_documents(8, 9), 2, 4);
  const std::vector<Batch> batches = start_documents(source);
  const auto bare = test::tiny_decoder(test::tiny_spec(), at::kFloat);
  const double base = start_loss(*bare, nullptr, batches);
  Rig rig = lora_rig(at::kFloat);
  EXPECT_NO_THROW(check_start(base, start_loss(*rig.net, &rig.adapters, batches), "lora"));
  {
    const at::NoGradGuard no_grad;
    for (const Trainable& each : rig.adapters.trainables()) each.tensor.fill_(0.3);
  }
  rig.adapters.refresh();
  const double moved = start_loss(*rig.net, &rig.adapters, batches);
  try {
    check_start(base, moved, "lora");
    FAIL() << "a shifted start went unnoticed: " << base << " and " << moved;
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the base model's loss is"));
  }
}

TEST(StartCheck, APartInAThousandIsNear) {
  for (const double base : {1.5, -1.5}) {
    EXPECT_TRUE(starts_near(base, base * 1.0009));
    EXPECT_TRUE(starts_near(base, base * 0.9991));
    EXPECT_FALSE(starts_near(base, base * 1.0011));
    EXPECT_FALSE(starts_near(base, base * 0.9989));
  }
}

TEST(StartCheck, TakesTheShortestDocumentsThatHoldTheTokens) {
  CyclicSource source({{1}, {2}, {3}, {5, 6, 7, 8}, {9, 10}, {11, 12, 13}}, 3, 2);
  ASSERT_TRUE(source.next().has_value());  // wherever the source stood
  const std::vector<Batch> some = start_documents(source, 4);
  ASSERT_EQ(some.size(), 2u);  // documents of one token have nothing to learn
  EXPECT_EQ(some[0].tokens[0].item<std::int64_t>(), 9);
  EXPECT_EQ(some[1].tokens[0].item<std::int64_t>(), 11);
  EXPECT_EQ(start_documents(source, 1000).size(), 3u);  // of one pass, not of the next
  EXPECT_EQ(source.position().at("given"), 0) << "the source was not rewound";
}

TEST(StartCheck, TakesAsManyMicroBatchesAsHoldTheTokens) {
  CyclicSource source({{1, 2, 3}, {4, 5}, {6, 7, 8, 9}, {1, 3}}, 1);
  EXPECT_EQ(start_documents(source, 3).size(), 1u);
  const std::vector<Batch> some = start_documents(source, 6);
  ASSERT_EQ(some.size(), 3u);
  EXPECT_EQ(some[0].num_tokens(), 2);
  EXPECT_EQ(start_documents(source, 100).size(), 4u);
}

TEST(StartCheck, BrokenWeightsAreNamedBeforeTraining) {
  CyclicSource source(random_documents(8, 9), 2, 4);
  const std::vector<Batch> batches = start_documents(source);
  Rig rig = lora_rig(at::kFloat);
  rig.net->linears()[0]->base().dense().fill_(std::nan(""));
  EXPECT_THROW(start_loss(*rig.net, nullptr, batches), RunError);
}

}  // namespace train_test
}  // namespace svtune
