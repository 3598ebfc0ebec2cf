#include "attach/target_modules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/module_match.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace target_modules_test {

using test::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TargetModules : public ::testing::Test {
 protected:
  void SetUp() override {
    test::write_tiny_model(directory_ / "m", {.family = "llama", .tied = true});
    model_ = load_model(directory_ / "m");
  }
  TargetSelection select(const TargetOptions& options) {
    return select_targets(*model_.net, options);
  }
  std::string error_of(const TargetOptions& options) {
    try {
      select(options);
    } catch (const UsageError& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return "";
  }

  TempDirectory directory_;
  Model model_;
};

TEST(ModulePatterns, CountFromZeroAsPythonDoes) {
  EXPECT_TRUE(matches_pattern_key(R"(layers\.\d{,1}\.mlp)", "model.layers.3.mlp"));
  EXPECT_FALSE(matches_pattern_key(R"(layers\.\d{,1}\.mlp)", "model.layers.12.mlp"));
  EXPECT_TRUE(matches_full("a{,}b", "b"));
  EXPECT_TRUE(matches_full("a{,}b", "aaab"));
  EXPECT_TRUE(matches_full(R"(a\{,1}b)", "a{,1}b"));
  EXPECT_TRUE(matches_full("[{,1}]b", ",b"));
}

TEST_F(TargetModules, DefaultIsQueryAndValue) {
  TargetOptions options;
  options.layers_to_transform = {1};
  EXPECT_THAT(select(options).adapted,
              ElementsAre("model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"));
}

TEST_F(TargetModules, AllLinearLeavesTheHead) {
  const auto adapted = select({.target_modules = {"all-linear"}}).adapted;
  EXPECT_EQ(adapted.size(), 21u);
  EXPECT_EQ(std::ranges::count(adapted, "lm_head"), 0);
}

TEST_F(TargetModules, AllLinearAmongNamesMeansWhatItSays) {
  test::write_tiny_model(directory_ / "untied", {.family = "llama"});
  model_ = load_model(directory_ / "untied");
  const auto adapted = select({.target_modules = {"all-linear", "lm_head"}}).adapted;
  EXPECT_EQ(adapted.size(), 22u);
  EXPECT_EQ(adapted.back(), "lm_head");
}

TEST_F(TargetModules, NoMatchNamesWhatExistsAndTheNearest) {
  const std::string error = error_of({.target_modules = {"q_prj", "ffn"}});
  EXPECT_THAT(error, HasSubstr("q_proj, k_proj, v_proj"));
  EXPECT_THAT(error, HasSubstr("Did you mean q_proj for \"q_prj\"?"));
}

TEST_F(TargetModules, SavedModuleWithoutMatchIsNamed) {
  const std::string error = error_of({.modules_to_save = {"lm_hed"}});
  EXPECT_THAT(error, HasSubstr("\"lm_hed\" matches no module"));
  EXPECT_THAT(error, HasSubstr("lm_head"));
}

TEST_F(TargetModules, ContradictionsAreRefused) {
  TargetOptions layers{.target_modules = {"all-linear"}};
  layers.layers_to_transform = {0};
  EXPECT_THAT(error_of(layers), HasSubstr("need target_modules as a list"));
  TargetOptions pattern;
  pattern.layers_pattern = {"layers"};
  EXPECT_THAT(error_of(pattern), HasSubstr("layers_pattern needs layers_to_transform"));
  TargetOptions both{.target_modules = {"q_proj"}};
  both.target_regex = "q";
  EXPECT_THAT(error_of(both), HasSubstr("exclude each other"));
  TargetOptions broken;
  broken.target_regex = "(";
  EXPECT_THAT(error_of(broken), HasSubstr("no valid regular expression"));
}

}  // namespace target_modules_test
}  // namespace svtune
