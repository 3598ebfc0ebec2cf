#include "nn/product_rates.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "libtorch/prelude.h"

namespace svtune {
namespace product_rates_test {

constexpr ProductShape kShapes[] = {{256, 128}, {128, 512}};

TEST(ProductRates, AreMeasuredInBothDirections) {
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    const ProductRate rate = product_rate(kShapes, at::kBFloat16, compute);
    // From the slowest generic path to the fastest processor.
    for (const double each : {rate.forward, rate.backward, rate.both()}) {
      EXPECT_GT(each, 1e7);
      EXPECT_LT(each, 1e15);
    }
    EXPECT_GE(rate.both(), std::min(rate.forward, rate.backward));
    EXPECT_LE(rate.both(), std::max(rate.forward, rate.backward));
  }
}

TEST(ProductRates, OfInt8AreZeroOrMeasured) {
  const ProductRate rate = int8_product_rate(kShapes);
  EXPECT_TRUE(rate.both() == 0 || (rate.forward > 1e7 && rate.backward > 1e7));
}

TEST(ProductRates, BothIsTheRateOfOneProductEach) {
  // 1 s and 1/3 s for the same work: two works in 4/3 s.
  EXPECT_DOUBLE_EQ((ProductRate{1, 3}.both()), 1.5);
  EXPECT_EQ((ProductRate{0, 3}.both()), 0);
}

}  // namespace product_rates_test
}  // namespace svtune
