// The gradient of every tensor of every family of decoders against finite differences in fp64: what
// training curves beside other programs show only through an optimiser.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "adapters/full/full.h"
#include "attach/attach.h"
#include "base/oracle_test_util.h"
#include "base/random.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

class FamilyGradients : public testing::TestWithParam<std::string> {};

TEST_P(FamilyGradients, EqualFiniteDifferences) {
  const test::TempDirectory directory;
  test::write_tiny_model(directory / "model", {.family = GetParam()});
  Model model = load_model(directory / "model", {at::kDouble});
  const Attached attached = attach(model, FullConfig{}, {}, {.seed = 1});
  const Batch batch = test::one_document({3, 17, 5, 9, 30, 2, 11, 24, 8, 13, 6, 21});
  const auto loss = [&] { return model.net->loss(batch); };
  loss().backward();
  Xoshiro256 random(3);
  std::int64_t compared = 0;
  for (const Trainable& each : attached.adapters.trainables()) {
    if (!each.tensor.grad().defined()) continue;  // an expert that no token goes to
    const at::Tensor values = each.tensor.detach().view({-1});
    const at::Tensor gradient = each.tensor.grad().reshape({-1});
    for (int i = 0; i < 3; ++i) {
      const auto index = static_cast<std::int64_t>(random.bounded(values.numel()));
      const auto loss_at = [&](double value) {
        const at::NoGradGuard no_grad;
        values[index].fill_(value);
        attached.adapters.refresh();
        return loss().item<double>();
      };
      const double middle = values[index].item<double>();
      constexpr double kStep = 1e-6;
      const double numeric = (loss_at(middle + kStep) - loss_at(middle - kStep)) / (2 * kStep);
      loss_at(middle);
      // Central differences err by step^2 and by the rounding of the loss over the step.
      EXPECT_NEAR(gradient[index].item<double>(), numeric, 1e-6 + 1e-5 * std::abs(numeric))
          << each.name << " [" << index << "]";
      ++compared;
    }
  }
  EXPECT_GT(compared, 30);
}

INSTANTIATE_TEST_SUITE_P(Decoders, FamilyGradients,
                         testing::Values("llama", "mixtral", "qwen2", "qwen3", "gpt_neox", "gpt2",
                                         "phi3", "olmo2", "olmo3", "olmoe", "qwen2_moe",
                                         "qwen3_moe", "gemma3_text", "smollm3", "granite",
                                         "starcoder2"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace svtune
