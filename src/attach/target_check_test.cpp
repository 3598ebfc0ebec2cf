// Names that match nothing are refused with the nearest one that exists.
#include "attach/target_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace target_check_test {

using test::TempDirectory;
using ::testing::HasSubstr;

class TargetCheck : public ::testing::Test {
 protected:
  void SetUp() override {
    test::write_tiny_model(directory_ / "m", {.family = "llama"});
    model_ = load_model(directory_ / "m");
  }
  // Message and hint of the refusal; empty: accepted.
  std::string error_of(const TargetOptions& options, const MethodConfig& method = LoraConfig{}) {
    try {
      check_every_target(*model_.net, options, method);
    } catch (const UsageError& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return "";
  }

  TempDirectory directory_;
  Model model_;
};

TEST_F(TargetCheck, EveryItemOfTheTargetsMustMatch) {
  EXPECT_EQ(error_of({.target_modules = {"q_proj", "layers.1.mlp.up_proj"}}), "");
  EXPECT_EQ(error_of({.target_modules = {"all-linear", "lm_head"}}), "");
  const std::string error = error_of({.target_modules = {"q_proj", "v_prj"}});
  EXPECT_THAT(error, HasSubstr("v_prj"));
  EXPECT_THAT(error, HasSubstr("Did you mean v_proj for \"v_prj\"?"));
  EXPECT_THAT(error_of({.target_modules = {"all-linear", "lm_haed"}}), HasSubstr("lm_head"));
}

TEST_F(TargetCheck, EveryItemMustBeLeftByTheExclusions) {
  EXPECT_THAT(error_of({.target_modules = {"q_proj", "v_proj"}, .exclude_modules = {"q_proj"}}),
              HasSubstr("target_modules q_proj (after excluded modules) match no module"));
}

TEST_F(TargetCheck, EveryExclusionMustMatch) {
  EXPECT_EQ(error_of({.target_modules = {"all-linear"}, .exclude_modules = {"lm_head"}}), "");
  EXPECT_THAT(error_of({.target_modules = {"all-linear"}, .exclude_modules = {"dwn_proj"}}),
              HasSubstr("exclude_modules \"dwn_proj\" matches no module"));
  EXPECT_THAT(error_of({.target_modules = {"all-linear"}, .exclude_modules = {"dwn_proj"}}),
              HasSubstr("Did you mean down_proj?"));
  EXPECT_THAT(error_of({.target_modules = {"all-linear"}, .exclude_regex = ".*mlp\\.foo"}),
              HasSubstr("exclude_regex"));
}

TEST_F(TargetCheck, EveryLayerIndexMustExist) {
  EXPECT_EQ(error_of({.target_modules = {"q_proj"}, .layers_to_transform = {0, 2}}), "");
  EXPECT_THAT(
      error_of({.target_modules = {"q_proj"}, .layers_to_transform = {0, 7}}),
      HasSubstr("layers_to_transform 7 matches no layer; the targets lie in layers 0 to 2"));
  EXPECT_EQ(
      error_of(
          {.target_modules = {"q_proj"}, .layers_to_transform = {0}, .layers_pattern = {"layers"}}),
      "");
  EXPECT_THAT(error_of({.target_modules = {"q_proj"},
                        .layers_to_transform = {0},
                        .layers_pattern = {"layers", "blocks"}}),
              HasSubstr("layers_pattern \"blocks\""));
}

TEST_F(TargetCheck, EveryKeyOfAPatternMustMatchAnAdaptedLayer) {
  const TargetOptions targets{.target_modules = {"q_proj"}};
  const auto ranks = [](const std::string& key) {
    return LoraConfig{.low_rank = {.rank_pattern = {{key, 8}}}};
  };
  EXPECT_EQ(error_of(targets, ranks("q_proj")), "");
  EXPECT_EQ(error_of(targets, ranks(".*layers\\.[01]\\.self_attn\\.q_proj")), "");
  EXPECT_THAT(error_of(targets, ranks("^q_proj")),
              HasSubstr("rank_pattern \"^q_proj\" matches no adapted layer; there are q_proj"));
  EXPECT_THAT(error_of(targets, ranks("v_proj")), HasSubstr("matches no adapted layer"));
  EXPECT_THAT(error_of(targets, ranks("q_poj")), HasSubstr("Did you mean q_proj?"));
  const PissaConfig pissa{.low_rank = {.alpha_pattern = {{"layers.9.self_attn.q_proj", 32.0}}}};
  EXPECT_THAT(error_of(targets, pissa), HasSubstr("alpha_pattern \"layers.9.self_attn.q_proj\""));
  EXPECT_EQ(error_of(targets, SvftConfig{.delta_layers = {"0.self_attn.q_proj", "q_proj"}}), "");
  EXPECT_THAT(error_of(targets, SvftConfig{.delta_layers = {"q_proj", "v_proj"}}),
              HasSubstr("delta_layers \"v_proj\" matches no adapted layer"));
}

TEST_F(TargetCheck, BiasesAndTiedWeightsMustExist) {
  EXPECT_THAT(error_of({.target_modules = {"q_proj"}, .bias = TrainedBias::kAll}),
              HasSubstr("the model has no biases"));
  EXPECT_THAT(error_of({.target_modules = {"q_proj"}, .bias = TrainedBias::kLoraOnly}),
              HasSubstr("the adapted layers have no biases"));
  EXPECT_THAT(error_of({.target_modules = {"q_proj"},
                        .modules_to_save = {"lm_head"},
                        .ensure_weight_tying = true}),
              HasSubstr("not tied"));
}

}  // namespace target_check_test
}  // namespace svtune
