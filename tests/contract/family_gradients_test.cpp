// The gradient of every tensor of every family of decoders against finite differences in fp64: what
// training curves beside other programs show only through an optimiser.
#include <gtest/gtest.h>

#include <string>

#include "adapters/full/full.h"
#include "attach/attach.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "nn/finite_differences_test_util.h"

namespace svtune {
namespace family_gradients_test {

class FamilyGradients : public testing::TestWithParam<std::string> {};

TEST_P(FamilyGradients, EqualFiniteDifferences) {
  const test::TempDirectory directory;
  test::write_tiny_model(directory / "model", {.family = GetParam()});
  Model model = load_model(directory / "model", {at::kDouble});
  const Attached attached = attach(model, FullConfig{}, {}, {.seed = 1});
  const Batch batch = test::one_document({3, 17, 5, 9, 30, 2, 11, 24, 8, 13, 6, 21});
  const auto loss = [&] { return model.net->loss(batch); };
  // Experts that no token goes to have no gradient.
  EXPECT_GT(test::expect_gradients_of(loss, attached.adapters,
                                      {.step = 1e-6, .places = 3, .may_lack = true}),
            30);
}

INSTANTIATE_TEST_SUITE_P(Decoders, FamilyGradients,
                         testing::Values("llama", "mixtral", "qwen2", "qwen3", "gpt_neox", "gpt2",
                                         "phi", "phi3", "olmo2", "olmo3", "olmoe", "qwen2_moe",
                                         "qwen3_moe", "gemma3_text", "smollm3", "granite",
                                         "starcoder2"),
                         [](const auto& info) { return info.param; });

}  // namespace family_gradients_test
}  // namespace svtune
