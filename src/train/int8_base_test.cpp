#include "train/int8_base.h"

#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "train/quantize_plan.h"

namespace svtune {
namespace int8_base_test {

TEST(Int8Base, HalfAPercentOfTheLossIsAllowed) {
  EXPECT_NO_THROW(check_int8_loss({.exact = 2.0, .int8 = 2.0099, .layers = 1}));
  EXPECT_NO_THROW(check_int8_loss({.exact = 2.0, .int8 = 1.9901, .layers = 1}));
  EXPECT_THROW(check_int8_loss({.exact = 2.0, .int8 = 2.0101, .layers = 1}), RunError);
  EXPECT_THROW(check_int8_loss({.exact = 2.0, .int8 = 1.9899, .layers = 1}), RunError);
  // Of a small loss, nats.
  EXPECT_NO_THROW(check_int8_loss({.exact = 0.1, .int8 = 0.1049, .layers = 1}));
  EXPECT_THROW(check_int8_loss({.exact = 0.1, .int8 = 0.1051, .layers = 1}), RunError);
}

TEST(Int8Base, ChangeIsShownWithItsSign) {
  EXPECT_EQ(change_text({.exact = 2.0, .int8 = 2.0038, .layers = 1}), "+0.19 %");
  EXPECT_EQ(change_text({.exact = 2.0, .int8 = 1.9962, .layers = 1}), "-0.19 %");
}

// One byte a weight and one scale a row beside the matrices; codes of an int8 base are there.
TEST(Int8Base, ForecastCountsTheCodes) {
  const test::TempDirectory directory;
  test::write_tiny_model(directory / "model", {.layers = 2});
  const Model model = load_model(directory / "model", {at::kFloat});
  std::uint64_t codes = 0, scales = 0;
  for (const Linear* layer : model.net->linears()) {
    if (layer == &model.net->head()) continue;
    codes += static_cast<std::uint64_t>(layer->out_features() * layer->in_features());
    scales += 4 * static_cast<std::uint64_t>(layer->out_features());
  }
  TrainOptions exact;
  TrainOptions int8 = exact;
  int8.model.base_compute = BaseCompute::kInt8;
  EXPECT_EQ(frozen_matrix_bytes(*model.net, int8) - frozen_matrix_bytes(*model.net, exact),
            codes + scales);
  int8.model.base_dtype = QuantType::kInt8;
  TrainOptions stored = exact;
  stored.model.base_dtype = QuantType::kInt8;
  // The buffer for dequantised matrices is not needed.
  const auto buffer = static_cast<std::uint64_t>(56 * 32 * 4);
  EXPECT_EQ(frozen_matrix_bytes(*model.net, int8) + buffer - scales,
            frozen_matrix_bytes(*model.net, stored));
}

}  // namespace int8_base_test
}  // namespace svtune
