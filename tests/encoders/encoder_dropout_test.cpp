// The dropout that an encoder's config.json asks for: where it lies, that only a seed draws it, and
// that gradients belong to the draw, also where blocks run again.
#include <gtest/gtest.h>

#include "adapters/methods.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_encoder_test_util.h"
#include "io/tiny_vision_test_util.h"
#include "libtorch/prelude.h"
#include "nn/finite_differences_test_util.h"

namespace svtune {
namespace encoder_dropout_test {

struct DropoutCase {
  std::string family;
  std::string rates;  // of config.json
  std::string places;
};
void PrintTo(const DropoutCase& one, std::ostream* out) { *out << one.family; }

std::vector<DropoutCase> dropout_cases() {
  const std::string usual = R"("hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2)";
  const std::string blocks =
      "embedding 0.1, attention weights 0.2, attention output 0.1, feed-forward output 0.1";
  return {
      {"bert", "{" + usual + R"(, "classifier_dropout": null})",
       blocks + ", head's output layer 0.1"},
      {"roberta", "{" + usual + R"(, "classifier_dropout": 0.3})",
       blocks + ", head's input 0.3, head's output layer 0.3"},
      {"distilbert", R"({"dropout": 0.1, "attention_dropout": 0.2, "seq_classif_dropout": 0.3})",
       "embedding 0.1, attention weights 0.2, feed-forward output 0.1, "
       "head's output layer 0.3"},
      {"deberta-v2", "{" + usual + R"(, "pooler_dropout": 0.3, "cls_dropout": 0.4})",
       blocks + ", table of distances 0.1, head's input 0.3, head's output layer 0.4"},
      {"modernbert",
       R"({"embedding_dropout": 0.1, "attention_dropout": 0.2, "mlp_dropout": 0.3,
           "classifier_dropout": 0.4})",
       "embedding 0.1, attention weights 0.2, attention output 0.2, feed-forward activation 0.3, "
       "head's output layer 0.4"}};
}

class ModelDropout : public testing::TestWithParam<DropoutCase> {
 protected:
  void SetUp() override {
    const std::filesystem::path model = directory_ / "model";
    test::write_tiny_encoder(model, {.family = GetParam().family});
    Json config = read_json_file(model / "config.json");
    config.update(parse_json(GetParam().rates, "rates"));
    std::filesystem::create_directories(directory_ / "dropout");
    std::filesystem::copy_file(model / "model.safetensors",
                               directory_ / "dropout/model.safetensors");
    write_file_atomic(directory_ / "dropout/config.json", dump_json(config, 2));
  }

  Model load(const std::string& name, at::ScalarType dtype = at::kFloat) const {
    return load_model(directory_ / name, {dtype});
  }

  static Attached attach_lora(Model& model) {
    LoraConfig lora;
    lora.low_rank.rank = 3;
    Attached attached = attach(model, lora, {.target_modules = {"all-linear"}}, {.seed = 5});
    test::disturb(attached.adapters);
    return attached;
  }

  static Batch batch() { return test::without_types(test::two_documents()); }

  test::TempDirectory directory_;
};

TEST_P(ModelDropout, LiesWhereTransformersHasIt) {
  EXPECT_EQ(dropout_text(load("dropout").spec().dropout), GetParam().places);
  EXPECT_EQ(dropout_text(load("model").spec().dropout), "");
}

TEST_P(ModelDropout, IsDrawnFromASeedAndNeverWithoutOne) {
  Model plain = load("model"), model = load("dropout");
  const at::NoGradGuard no_grad;
  const auto loss = [&](std::optional<std::uint64_t> seed) {
    return model.net->loss(batch(), seed).item<double>();
  };
  EXPECT_EQ(loss({}), plain.net->loss(batch()).item<double>());
  EXPECT_EQ(plain.net->loss(batch(), 1).item<double>(), loss({}));
  EXPECT_EQ(loss(1), loss(1));
  EXPECT_NE(loss(1), loss(2));
  EXPECT_NE(loss(1), loss({}));
  model.net->set_dropout(with_rate(model.spec().dropout, 0));
  EXPECT_EQ(loss(1), loss({}));
}

TEST_P(ModelDropout, GradientsBelongToTheDraw) {
  Model model = load("dropout", at::kDouble);
  const Attached attached = attach_lora(model);
  const auto loss = [&] { return model.net->loss(batch(), 3); };
  EXPECT_GT(test::expect_gradients_of(loss, attached.adapters), 10);
}

TEST_P(ModelDropout, BlocksRunAgainDrawTheSameMasks) {
  Model kept = load("dropout"), again = load("dropout");
  again.net->set_recompute(RecomputePlan::all());
  const Attached a = attach_lora(kept), b = attach_lora(again);
  kept.net->loss(batch(), 4).backward();
  again.net->loss(batch(), 4).backward();
  const auto left = a.adapters.trainables(), right = b.adapters.trainables();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    // The same operations on the same values.
    EXPECT_TRUE(at::equal(left[i].tensor.grad(), right[i].tensor.grad())) << left[i].name;
  }
}

TEST(ModelDropoutOfImages, LiesWhereTransformersHasIt) {
  const auto places_of = [](const std::string& family) {
    Json config = test::tiny_vision_config({.family = family});
    config.update({{"hidden_dropout_prob", 0.1}, {"attention_probs_dropout_prob", 0.2}});
    return dropout_text(parse_arch(config, "tiny").dropout);
  };
  EXPECT_EQ(places_of("vit"),
            "embedding 0.1, attention weights 0.2, attention output 0.1, feed-forward output 0.1");
  EXPECT_EQ(places_of("clip"), "");  // it knows attention_dropout alone
  for (const char* family : {"dinov2", "dinov2_with_registers"}) {
    EXPECT_EQ(places_of(family), "embedding 0.1, attention weights 0.2");
    Json config = test::tiny_vision_config({.family = family});
    config["drop_path_rate"] = 0.3;
    EXPECT_EQ(dropout_text(parse_arch(config, "tiny").dropout), "whole branches 0.3");
    config["drop_path_rate"] = 1;
    EXPECT_THROW(parse_arch(config, "tiny"), FileError);
  }
}

class StochasticDepth : public testing::Test {
 protected:
  void SetUp() override { test::write_tiny_vision(directory_.path(), {.family = "dinov2"}); }

  Model load(double rate, at::ScalarType dtype = at::kFloat) const {
    Model model = load_model(directory_.path(), {dtype});
    model.net->set_dropout({.branches = rate});
    return model;
  }

  static Attached attach_lora(Model& model) {
    LoraConfig lora;
    lora.low_rank.rank = 3;
    Attached attached = attach(model, lora, {.target_modules = {"all-linear"}}, {.seed = 5});
    test::disturb(attached.adapters);
    return attached;
  }

  test::TempDirectory directory_;
};

// Where all branches go, blocks give their input, as with scales of zero.
TEST_F(StochasticDepth, LeavesTheResidualSum) {
  Model dropped = load(1 - 1e-9), scaled = load(0), kept = load(1e-9);
  const at::NoGradGuard no_grad;
  const double whole = scaled.net->loss(test::two_images()).item<double>();
  for (NamedParameter& each : scaled.net->parameters()) {
    if (each.name.ends_with("lambda1")) *each.tensor = at::zeros_like(*each.tensor);
  }
  const double without = scaled.net->loss(test::two_images()).item<double>();
  EXPECT_EQ(dropped.net->loss(test::two_images(), 1).item<double>(), without);
  EXPECT_NE(whole, without);
  EXPECT_EQ(dropped.net->loss(test::two_images()).item<double>(), whole);
  // 1 / (1 - 1e-9) is 1 in fp32.
  EXPECT_EQ(kept.net->loss(test::two_images(), 1).item<double>(), whole);
}

TEST_F(StochasticDepth, GradientsBelongToTheDrawAlsoWhereBlocksRunAgain) {
  Model model = load(0.5, at::kDouble);
  const Attached attached = attach_lora(model);
  const auto loss = [&] { return model.net->loss(test::two_images(), 3); };
  EXPECT_GT(test::expect_gradients_of(loss, attached.adapters), 10);
  Model kept = load(0.5), again = load(0.5);
  again.net->set_recompute(RecomputePlan::all());
  const Attached a = attach_lora(kept), b = attach_lora(again);
  kept.net->loss(test::two_images(), 4).backward();
  again.net->loss(test::two_images(), 4).backward();
  const auto left = a.adapters.trainables(), right = b.adapters.trainables();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    // The same operations on the same values.
    EXPECT_TRUE(at::equal(left[i].tensor.grad(), right[i].tensor.grad())) << left[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Encoders, ModelDropout, testing::ValuesIn(dropout_cases()),
                         [](const testing::TestParamInfo<DropoutCase>& info) {
                           std::string name = info.param.family;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace encoder_dropout_test
}  // namespace svtune
