// Ten steps of training, loss by loss, beside transformers and PEFT from the same start and
// batches: a small Llama in fp32.
#include <gtest/gtest.h>

#include "adapter_files/adapter_file.h"
#include "attach/attach.h"
#include "base/oracle_test_util.h"
#include "export/export.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "train/train.h"
#include "train/train_test_util.h"

namespace svtune {
namespace curve_test {

using test::Document;
using test::TempDirectory;

constexpr std::int64_t kSteps = 10;
constexpr std::int64_t kBatchesAStep = 2;
constexpr std::size_t kDocuments = 3;  // of a micro-batch

// Both sides compute in fp32 and sum in other orders, so gradients differ by some 1e-6 of their
// size. AdamW divides by their root mean square: an element moves by (rate x relative error of its
// gradient) another way, which only for elements of almost no gradient, and so of almost no
// influence, is much. Ten steps at 5e-3 let the losses part by less than 1e-5 of themselves (seen:
// 5e-6); a wrong scale, clip, rate or sign parts them by more than 1e-3 within two steps.
constexpr double kTolerance = 5e-5;

std::vector<Document> documents() {
  Xoshiro256 random(17);
  std::vector<Document> all(kSteps * kBatchesAStep * kDocuments);
  for (Document& each : all) {
    each.resize(4 + random.bounded(12));
    // Neighbouring tokens go together, so that there is something to learn.
    std::uint64_t token = random.bounded(test::kTinyVocab);
    for (std::int64_t& id : each) {
      id = static_cast<std::int64_t>(token);
      token = (token * 3 + random.bounded(4)) % test::kTinyVocab;
    }
  }
  return all;
}

TrainConfig config() {
  TrainConfig config;
  config.batch.gradient_accumulation = kBatchesAStep;
  config.schedule.learning_rate = 5e-3;
  config.schedule.warmup_steps = 2;
  config.optimizer.max_grad_norm = 0.5;  // below most norms here, so clipping is compared, too
  return config;
}

struct Curve final : TrainObserver {
  void on_step(const TrainState&, const StepReport& report) override {
    losses.push_back(report.loss);
    rates.push_back(report.learning_rate);
    clipped += report.grad_norm > config().optimizer.max_grad_norm ? 1 : 0;
  }
  void on_end(const TrainState&, const TrainResult&) override {}
  std::vector<double> losses, rates;
  int clipped = 0;
};

Curve curve_of(Model& model, AdapterSet& adapters) {
  test::CyclicSource source(documents(), kDocuments);
  const TrainConfig training = config();
  TrainState state(adapters, source, training.optimizer);
  Curve curve;
  train(*model.net, state, training, kSteps, curve);
  return curve;
}

Json batches_of_steps() {
  const std::vector<Document> all = documents();
  Json steps = Json::array();
  auto next = all.begin();
  for (std::int64_t step = 0; step < kSteps; ++step) {
    Json batches = Json::array();
    for (std::int64_t i = 0; i < kBatchesAStep; ++i, next += kDocuments) {
      batches.push_back(std::vector<Document>(next, next + kDocuments));
    }
    steps.push_back(batches);
  }
  return steps;
}

class TrainingCurve : public testing::Test {
 protected:
  void SetUp() override {
    python_ = test::oracle_python("peft,transformers");
    if (python_.empty()) GTEST_SKIP() << "no Python with peft and transformers";
    test::write_tiny_model(directory_ / "base", {.family = "llama"});
  }

  // A curve to compare with the oracle's from `base` and `adapter` ("": the whole model trains).
  void add(const std::string& name, Curve curve, const std::string& base,
           const std::string& adapter) {
    const OptimizerConfig optimizer = config().optimizer;
    const Json adapter_path = adapter.empty() ? Json() : Json((directory_ / adapter).string());
    cases_.push_back({{"base", (directory_ / base).string()},
                      {"adapter", adapter_path},
                      {"steps", batches_of_steps()},
                      {"rates", curve.rates},
                      {"betas", {optimizer.beta1, optimizer.beta2}},
                      {"epsilon", optimizer.epsilon},
                      {"max_grad_norm", optimizer.max_grad_norm}});
    curves_.emplace_back(name, std::move(curve));
  }

  // One oracle for all that were added: it takes longer to start than to train.
  void expect_same() {
    write_file_atomic(directory_ / "cases.json", dump_json(cases_));
    const std::string list = test::shell_quote((directory_ / "cases.json").string());
    const Json wanted =
        parse_json(test::run_oracle_file(python_, "training_curves.py", list), "oracle");
    ASSERT_EQ(wanted.size(), curves_.size());
    for (std::size_t i = 0; i < curves_.size(); ++i) {
      SCOPED_TRACE(curves_[i].first);
      expect_losses(curves_[i].second, wanted[i].get<std::vector<double>>());
    }
    RecordProperty("largest_relative_difference", std::to_string(largest_));
  }

  Attached started(Model& model, const MethodConfig& method) {
    return attach(model, method, or_all_linear({}), {.seed = 3});
  }

  TempDirectory directory_;

 private:
  void expect_losses(const Curve& curve, const std::vector<double>& wanted) {
    ASSERT_EQ(curve.losses.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(curve.losses[i], wanted[i], kTolerance * wanted[i]) << "step " << i + 1;
      largest_ = std::max(largest_, std::abs(curve.losses[i] / wanted[i] - 1));
    }
    EXPECT_LT(curve.losses.back(), 0.98 * curve.losses.front()) << "nothing was learnt";
    EXPECT_GT(curve.clipped, 0) << "no gradient was clipped";
  }

  std::string python_;
  Json cases_ = Json::array();
  std::vector<std::pair<std::string, Curve>> curves_;
  double largest_ = 0;
};

TEST_F(TrainingCurve, OfAdaptersEqualsPeft) {
  {
    Model model = load_model(directory_ / "base", {at::kFloat});
    Attached attached = started(model, LoraConfig{.low_rank = {.rank = 4, .alpha = 8}});
    save_adapter(model, attached.adapters, attached.record, directory_ / "adapter");
    add("LoRA", curve_of(model, attached.adapters), "base", "adapter");
  }
  {
    Model model = load_model(directory_ / "base", {at::kFloat});
    Attached attached = started(model, PissaConfig{.low_rank = {.rank = 4}});
    export_residual(model, attached.adapters, attached.record, directory_ / "residual");
    add("the difference form of PiSSA, beside PEFT's on the residual",
        curve_of(model, attached.adapters), "residual/base", "residual/adapter");
  }
  Model model = load_model(directory_ / "residual/base", {at::kFloat});
  LoadedAdapter loaded = load_adapter(model, directory_ / "residual/adapter");
  add("PiSSA in residual form", curve_of(model, loaded.adapters), "residual/base",
      "residual/adapter");
  expect_same();
}

// Every tensor trains, so that every gradient of these families is compared.
TEST_F(TrainingCurve, OfFullFineTuningEqualsTransformers) {
  for (const char* family :
       {"llama", "gpt_neox", "mixtral", "gpt2", "phi", "phi3", "olmo2", "olmo3", "olmoe",
        "qwen2_moe", "qwen3_moe", "gemma3_text", "smollm3", "granite", "starcoder2"}) {
    SCOPED_TRACE(family);
    test::write_tiny_model(directory_ / family, {.family = family});
    Model model = load_model(directory_ / family, {at::kFloat});
    Attached attached = attach(model, FullConfig{}, {}, {.seed = 3});
    add(family, curve_of(model, attached.adapters), family, "");
  }
  expect_same();
}

}  // namespace curve_test
}  // namespace svtune
