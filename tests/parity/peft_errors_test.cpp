// Where PEFT is wrong svtune is right: each test names an error of PEFT's, computes what PEFT gives
// and what is right, and is skipped where PEFT has mended it.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "base/oracle_test_util.h"
#include "export/mix.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"
#include "quantized_base/quantize_model.h"

namespace svtune {
namespace peft_errors_test {

using test::TempDirectory;

// fp32 logits of size about 3, summed in another order; what is wrong differs by far more.
constexpr double kTolerance = 3e-5, kWrong = 1e-3;

class PeftErrors : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    python_ = test::oracle_python("peft,transformers");
    if (python_.empty()) return;
    directory_ = std::make_unique<TempDirectory>();
    test::write_tiny_model(base(), {.layers = 2});
    facts_ = parse_json(test::run_oracle_file(python_, "peft_errors.py",
                                              test::shell_quote(base().string()) + " " +
                                                  test::shell_quote(directory_->path().string())),
                        "oracle");
  }
  static void TearDownTestSuite() { directory_.reset(); }
  void SetUp() override {
    if (python_.empty()) GTEST_SKIP() << "no Python with peft and transformers";
    ASSERT_TRUE(facts_.is_object());
  }

  static std::filesystem::path base() { return *directory_ / "model"; }
  static std::filesystem::path place(const std::string& name) { return *directory_ / name; }
  static at::Tensor value(const std::string& name, at::ScalarType dtype = at::kFloat) {
    return SafetensorsSource(*directory_ / "values.safetensors").read(name, dtype).value();
  }
  static const Json& fact(const std::string& name) { return facts_.at(name); }
  static std::string mended() {
    return "PEFT " + fact("version").get<std::string>() + " has mended it";
  }
  // Whether PEFT's logits are still other than the right ones.
  static bool is_wrong(const std::string& error) {
    return test::max_difference(value(error + ".peft"), value(error + ".right")) > kWrong;
  }

  // Logits of 0.7 a - 0.4 b.
  static at::Tensor mixed(const std::string& folder) {
    std::vector<LoadedModel> loaded;
    for (const char* name : {"a", "b"}) {
      loaded.push_back(load_with_adapter(base(), place(folder) / name, {}));
    }
    Model model = load_model(base());
    const LoadedAdapter mix =
        mix_adapters(model, {{"a", 0.7, &loaded[0]}, {"b", -0.4, &loaded[1]}}, {});
    EXPECT_FALSE(mix.adapters.layers.empty());
    return test::logits_of(model);
  }

  static inline std::string python_;
  static inline std::unique_ptr<TempDirectory> directory_;
  static inline Json facts_;
};

// add_weighted_adapter with "linear" adds A and B apart: one adapter's A meets another's B.
TEST_F(PeftErrors, LinearSumsHaveCrossTerms) {
  if (!is_wrong("cross_terms")) GTEST_SKIP() << mended();
  EXPECT_LT(test::max_difference(mixed("plain"), value("cross_terms.right")), kTolerance);
}

// With "svd" changes were multiplied by their scaling twice, up to 0.20.1.
TEST_F(PeftErrors, SumsByDecompositionAreScaledTwice) {
  EXPECT_LT(test::max_difference(mixed("plain"), value("scaled_twice.right")), kTolerance);
  if (!is_wrong("scaled_twice")) GTEST_SKIP() << mended();
}

// The sum inherits use_rslora, so that its scaling is the root of the new rank instead of 1.
TEST_F(PeftErrors, SumsOfRsloraAreScaledAgain) {
  if (!is_wrong("inherited_rslora")) GTEST_SKIP() << mended();
  EXPECT_LT(test::max_difference(mixed("rslora"), value("inherited_rslora.right")), kTolerance);
}

// Of lora_bias nothing comes into the sum.
TEST_F(PeftErrors, SumsDropTheBiasesOfTheirAdapters) {
  if (!is_wrong("dropped_bias")) GTEST_SKIP() << mended();
  EXPECT_LT(test::max_difference(mixed("biased"), value("dropped_bias.right")), kTolerance);
}

// A bias of the adapter on a layer that has none: PEFT computes with it and cannot merge it.
TEST_F(PeftErrors, BiasesOfLayersWithoutOneAreNotMerged) {
  if (fact("merge_of_bias") == Json("")) GTEST_SKIP() << mended();
  const LoadedModel loaded = load_with_adapter(base(), place("biased") / "a", {});
  merge_to_directory(loaded.model, loaded.adapter->adapters, place("merged"));
  Model merged = load_model(place("merged"));
  EXPECT_LT(test::max_difference(test::logits_of(merged), value("merge_of_bias.right")),
            kTolerance);
}

// AdaLoRA's penalty is added to losses of evaluation as well.
TEST_F(PeftErrors, EvaluationLossesHoldAdalorasPenalty) {
  const double peft = fact("evaluation_loss")[0].get<double>();
  const double right = fact("evaluation_loss")[1].get<double>();
  if (std::abs(peft - right) < kWrong) GTEST_SKIP() << mended();
  LoadedModel loaded = load_with_adapter(base(), place("adalora"), {});
  const at::NoGradGuard no_grad;
  const Batch batch = test::one_document(test::tiny_tokens());
  const double loss = loaded.model.net->loss(batch).item<double>();
  EXPECT_NEAR(loss / static_cast<double>(batch.num_supervised()), right, 1e-5);
}

// OFT's module_dropout is made and never called: training computes what evaluation does. Files are
// read for what they compute; BOFT's dropout of blocks is applied in both, and has its own name
// here.
TEST_F(PeftErrors, ModuleDropoutIsNeverApplied) {
  if (is_wrong("module_dropout")) GTEST_SKIP() << mended() << ": OFT could have --block-dropout";
  LoadedModel loaded = load_with_adapter(base(), place("oft"), {});
  EXPECT_LT(test::max_difference(test::logits_of(loaded.model), value("module_dropout.right")),
            kTolerance);
  Model model = load_model(base());
  const Attached boft = attach(model, BoftConfig{.block_dropout = 0.9}, {});
  test::disturb(boft.adapters);
  const at::Tensor evaluation = test::logits_of(model);
  boft.adapters.begin_micro_batch(/*training=*/true, 5);
  EXPECT_GT(test::max_difference(test::logits_of(model), evaluation), kWrong);
}

// Without its adapter a PiSSA model of PEFT's is the residual one.
TEST_F(PeftErrors, DisabledPissaIsNotTheBase) {
  if (!is_wrong("disabled_pissa")) GTEST_SKIP() << mended();
  Model model = load_model(base());
  const Attached attached = attach(model, PissaConfig{.low_rank = {.rank = 4}}, {});
  test::disturb(attached.adapters);
  EXPECT_GT(test::max_difference(test::logits_of(model), value("disabled_pissa.right")), kWrong);
  for (Linear* layer : attached.adapters.layers) layer->detach().reset();
  EXPECT_LT(test::max_difference(test::logits_of(model), value("disabled_pissa.right")),
            kTolerance);
}

// Without its CUDA extension PEFT makes one factor of however many were asked for.
TEST_F(PeftErrors, ButterflyFactorsBecomeOne) {
  if (fact("butterfly_factors") == Json(2)) GTEST_SKIP() << mended();
  Model model = load_model(base());
  const Attached attached = attach(model, BoftConfig{.block_size = 4, .butterfly_factors = 2}, {});
  const Trainable first = attached.adapters.layers[0]->adapter()->trainables()[0];
  EXPECT_EQ(first.name, "boft_R");
  EXPECT_EQ(first.tensor.size(0), 2);
}

// LoftQ's factors are not divided by the scaling. At alpha = 2 r they then overshoot what rounding
// took away by as much as it was: the start is no nearer to W than the rounded weight alone.
TEST_F(PeftErrors, LoftqFactorsIgnoreTheScaling) {
  const double peft = fact("loftq")[0].get<double>(), right = fact("loftq")[1].get<double>();
  const double rounded = fact("loftq")[2].get<double>();
  ASSERT_LT(right, 0.95 * rounded);
  if (peft < 0.99 * rounded) GTEST_SKIP() << mended();
  QuantizePlan plan;
  plan.start = QuantStart::kLoftq;
  for (const double alpha : {4.0, 8.0}) {
    plan.low_rank = {.rank = 4, .alpha = alpha};
    Model model = load_model(base());
    const std::filesystem::path start = *directory_ / ("loftq" + std::to_string(alpha));
    const QuantizeReport report = quantize_model(model, plan, start);
    Model quantized = load_model(start / "base");
    load_adapter(quantized, start / "adapter");
    for (std::size_t i = 0; i < report.layers.size(); ++i) {
      const at::Tensor rest = model.net->linears()[i]->effective_weight() -
                              quantized.net->linears()[i]->effective_weight();
      EXPECT_LT(rest.norm().item<double>(), 0.95 * report.layers[i].plain_frobenius)
          << report.layers[i].name << " " << alpha;
    }
  }
}

// In bf16 PEFT adds the branch to a product that is rounded already: what is less than half a step
// is lost, always. Summed before it is rounded, it stays in the mean.
TEST_F(PeftErrors, SmallUpdatesAreLostInBf16) {
  const at::Tensor wanted = value("bf16.wanted").to(at::kDouble);
  // 1 where the mean has all of it.
  const auto share = [&](const at::Tensor& change) {
    return (change.to(at::kDouble) * wanted).sum().item<double>() /
           wanted.square().sum().item<double>();
  };
  if (share(value("bf16.peft")) > 0.9) GTEST_SKIP() << mended();
  const at::Tensor x = value("bf16.x", at::kBFloat16);
  const std::string name = "layer";
  const BaseWeight weight(value("bf16.weight", at::kBFloat16));
  const auto adapter =
      make_adapter(LoraConfig{.low_rank = {.rank = 4, .alpha = 4.0}}, {name, weight, 1}).adapter;
  const at::NoGradGuard no_grad;
  for (const Trainable& each : adapter->trainables()) {
    each.tensor.detach().copy_(value(each.name == "lora_A.weight" ? "bf16.A" : "bf16.B"));
  }
  adapter->refresh(weight);
  const at::Tensor change =
      adapter->forward(x, weight).to(at::kDouble) - weight.matmul(x).to(at::kDouble);
  // Rounding moves a sum over 32768 outputs, whose changes are a tenth of a step, by a fiftieth.
  EXPECT_NEAR(share(change), 1.0, 0.15);
}

}  // namespace peft_errors_test
}  // namespace svtune
