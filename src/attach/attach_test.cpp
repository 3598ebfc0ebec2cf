#include "attach/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/base_tensors.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace attach_test {

using test::TempDirectory;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class Attach : public ::testing::Test {
 protected:
  Model load(const test::TinyModel& tiny = {}) {
    test::write_tiny_model(directory_ / "m", tiny);
    return load_model(directory_ / "m");
  }

  TempDirectory directory_;
};

std::vector<std::string> trained_names(const Attached& attached) {
  std::vector<std::string> names;
  for (const Trainable& each : attached.adapters.trainables()) names.push_back(each.name);
  return names;
}

const TargetOptions kAllLinear = {.target_modules = {"all-linear"}};

TEST_F(Attach, EveryMethodStartsAtTheBase) {
  PissaConfig pissa;
  pissa.low_rank = {.rank = 8, .alpha = 20.0};
  const std::vector<MethodConfig> methods = {LoraConfig{}, pissa, FullConfig{},
                                             SvftConfig{.bandwidth = 3}};
  for (const MethodConfig& method : methods) {
    Model model = load({.family = "gemma"});
    const at::Tensor before = test::logits_of(model);
    attach(model, method, {}, {.seed = 1});
    // SVFT goes through its factors of W, which rounds in another order; the rest is exact.
    const double limit = std::holds_alternative<SvftConfig>(method) ? 1e-5 : 0;
    EXPECT_LE(test::max_difference(before, test::logits_of(model)), limit) << method_name(method);
  }
}

TEST_F(Attach, ReportCountsWhatTrains) {
  Model model = load();
  LoraConfig lora;
  lora.low_rank.rank = 4;
  const Attached attached = attach(model, lora, kAllLinear, {.seed = 1});
  ASSERT_EQ(attached.report.layers.size(), 21u);
  EXPECT_EQ(attached.report.layers[0].trainable, 4 * (32 + 32));
  // Per layer: q, o 32x32; k, v 16x32; gate, up 56x32; down 32x56.
  EXPECT_EQ(attached.report.trainable, 3 * 4 * (2 * 64 + 2 * 48 + 3 * 88));
  EXPECT_EQ(attached.report.total, 2 * 48 * 32 + 32 + 3 * (2 * 1024 + 2 * 512 + 3 * 1792 + 64));
  EXPECT_EQ(attached.record.layers.size(), 21u);
}

TEST_F(Attach, SameSeedSameStartOtherSeedAnother) {
  const auto start = [&](std::uint64_t seed) {
    Model model = load();
    return attach(model, LoraConfig{}, {}, {.seed = seed}).adapters.trainables()[0].tensor;
  };
  EXPECT_TRUE(start(3).equal(start(3)));
  EXPECT_FALSE(start(3).equal(start(4)));
}

TEST_F(Attach, FullTrainsEveryTensorOnce) {
  for (const bool tied : {true, false}) {
    Model model = load({.family = "qwen2", .tied = tied});
    const Attached attached = attach(model, FullConfig{}, {}, {});
    EXPECT_EQ(attached.report.trainable, attached.report.total);
    EXPECT_EQ(model.net->head_is_tied(), tied);
    const auto names = trained_names(attached);
    EXPECT_THAT(names, Contains("model.embed_tokens.weight"));
    EXPECT_EQ(std::ranges::count(names, "lm_head.weight"), tied ? 0 : 1);
    model.net->loss(test::one_document(test::tiny_tokens())).backward();
    for (const Trainable& each : attached.adapters.trainables()) {
      ASSERT_TRUE(each.tensor.grad().defined()) << each.name;
      EXPECT_GT(each.tensor.grad().abs().max().item<double>(), 0) << each.name;
    }
  }
}

TEST_F(Attach, FullWithTargetsTrainsThoseMatricesOnly) {
  Model model = load();
  const Attached attached = attach(model, FullConfig{}, {.target_modules = {"v_proj"}}, {});
  EXPECT_THAT(trained_names(attached),
              ::testing::ElementsAre("model.layers.0.self_attn.v_proj.weight",
                                     "model.layers.1.self_attn.v_proj.weight",
                                     "model.layers.2.self_attn.v_proj.weight"));
}

TEST_F(Attach, SavedHeadPartsFromTheEmbedding) {
  Model model = load({.tied = true});
  const Attached attached = attach(model, LoraConfig{}, {.modules_to_save = {"lm_head"}}, {});
  EXPECT_FALSE(model.net->head_is_tied());
  EXPECT_THAT(trained_names(attached), Contains("lm_head.weight"));
  EXPECT_THAT(trained_names(attached), Not(Contains("model.embed_tokens.weight")));
  const at::Tensor embedding = model.net->embedding().weight().clone();
  test::disturb(attached.adapters);
  EXPECT_TRUE(embedding.equal(model.net->embedding().weight()));
}

TEST_F(Attach, OneTensorStaysOneWhenAsked) {
  Model model = load({.tied = true});
  const Attached attached = attach(
      model, LoraConfig{}, {.modules_to_save = {"lm_head"}, .ensure_weight_tying = true}, {});
  EXPECT_TRUE(model.net->head_is_tied());
  EXPECT_THAT(trained_names(attached), Contains("model.embed_tokens.weight"));
  EXPECT_THAT(trained_names(attached), Not(Contains("lm_head.weight")));
}

TEST_F(Attach, BiasesTrainAsAsked) {
  const auto biases = [&](TrainedBias mode) {
    Model model = load({.family = "qwen2"});
    const auto names = trained_names(
        attach(model, LoraConfig{}, {.target_modules = {"q_proj"}, .bias = mode}, {}));
    return std::ranges::count_if(names, [](const auto& n) { return n.ends_with(".bias"); });
  };
  EXPECT_EQ(biases(TrainedBias::kNone), 0);
  EXPECT_EQ(biases(TrainedBias::kLoraOnly), 3);
  EXPECT_EQ(biases(TrainedBias::kAll), 9);
}

TEST_F(Attach, BiasesAloneTrainWithoutAnyMatrix) {
  const FullConfig biases{.part = FullPart::kBiases};
  Model model = load({.family = "qwen2"});
  // q [32], k and v [16] of three layers have one.
  const Attached all = attach(model, biases, {}, {});
  EXPECT_EQ(all.report.trainable, 3 * (32 + 16 + 16));
  EXPECT_TRUE(all.report.layers.empty());
  for (const std::string& name : trained_names(all))
    EXPECT_THAT(name, ::testing::EndsWith(".bias"));
  Model again = load({.family = "qwen2"});
  const Attached some =
      attach(again, biases, {.target_modules = {"q_proj"}, .layers_to_transform = {0, 2}}, {});
  EXPECT_THAT(trained_names(some), ::testing::ElementsAre("model.layers.0.self_attn.q_proj.bias",
                                                          "model.layers.2.self_attn.q_proj.bias"));
  Model none = load();
  EXPECT_THROW(attach(none, biases, {}, {}), UsageError);
  EXPECT_THROW(attach(none, biases, {.modules_to_save = {"norm"}}, {}), UsageError);
}

TEST_F(Attach, TheHeadAloneTrainsOnFrozenFeatures) {
  const FullConfig head{.part = FullPart::kHead};
  Model model = load({.tied = true});
  const Attached attached = attach(model, head, {}, {});
  EXPECT_THAT(trained_names(attached), ::testing::ElementsAre("lm_head.weight"));
  EXPECT_FALSE(model.net->head_is_tied());
  Model again = load();
  EXPECT_THROW(attach(again, head, {.target_modules = {"q_proj"}}, {}), UsageError);
}

TEST_F(Attach, BaseFilesAndBaseWeightsStayAsTheyWere) {
  Model model = load({.family = "qwen2", .tied = true});
  const std::uint64_t before = model.fingerprint();
  const std::string bytes = read_file(directory_ / "m" / "model.safetensors", 1 << 30);
  const Attached attached = attach(model, FullConfig{}, {}, {});
  test::disturb(attached.adapters);
  EXPECT_EQ(model.fingerprint(), before);
  EXPECT_EQ(read_file(directory_ / "m" / "model.safetensors", 1 << 30), bytes);
}

TEST_F(Attach, ImpossibleRankNamesTheLayerAndLeavesTheModel) {
  Model model = load();
  PissaConfig pissa;
  pissa.low_rank.rank = 17;  // k_proj is 16 x 32
  try {
    attach(model, pissa, kAllLinear, {});
    FAIL() << "the rank was accepted";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.layers.0.self_attn.k_proj"));
    EXPECT_THAT(error.what(), HasSubstr("allowed are 1 to 16"));
  }
  for (Linear* linear : model.net->linears()) EXPECT_EQ(linear->adapter(), nullptr);
}

TEST_F(Attach, SecondAdapterIsRefused) {
  Model model = load();
  attach(model, LoraConfig{}, {}, {});
  EXPECT_THROW(attach(model, LoraConfig{}, {}, {}), ModelError);
}

TEST_F(Attach, ProgressCountsEveryLayer) {
  Model model = load();
  std::vector<std::int64_t> seen;
  attach(model, LoraConfig{}, {},
         {.seed = 0, .initialise = true, .progress = [&](std::int64_t done, std::int64_t total) {
            EXPECT_EQ(total, 6);
            seen.push_back(done);
          }});
  EXPECT_THAT(seen, ::testing::ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(Attach, RecordSurvivesJson) {
  Model model = load();
  PissaConfig pissa;
  pissa.low_rank = {.rank = 4, .rank_pattern = {{"q_proj", 2}}};
  const Attached attached =
      attach(model, pissa, {.target_modules = {"q_proj"}}, {.seed = 1ull << 63});
  const Json json = record_to_json(attached.record);
  const AdapterRecord again = record_from_json(parse_json(dump_json(json), "record"), "record");
  EXPECT_EQ(record_to_json(again), json);
  EXPECT_EQ(again.seed, 1ull << 63);
  EXPECT_THROW(record_from_json(Json::array(), "record"), UsageError);
}

}  // namespace attach_test
}  // namespace svtune
