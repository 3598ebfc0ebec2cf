#include "quantized_base/quantize_summary.h"

#include <gtest/gtest.h>

namespace svtune {
namespace quantize_summary_test {

QuantizedLayer layer(const std::string& name, double frobenius, double plain) {
  QuantizedLayer layer;
  layer.name = name;
  layer.out_features = 4;
  layer.in_features = 8;
  layer.rank = 2;
  layer.bits_per_weight = 4.5;
  layer.frobenius = frobenius;
  layer.plain_frobenius = plain;
  return layer;
}

TEST(QuantizeSummary, ReductionsAreMeansOverTheLayersOfAKind) {
  QuantizeReport report;
  report.layers = {layer("a.0.q_proj", 0.5, 1.0), layer("a.0.v_proj", 3.0, 4.0),
                   layer("a.1.q_proj", 1.0, 1.0)};
  const auto kinds = error_reductions(report);
  ASSERT_EQ(kinds.size(), 2u);
  EXPECT_EQ(kinds[0].kind, "q_proj");
  EXPECT_EQ(kinds[0].layers, 2);
  EXPECT_DOUBLE_EQ(kinds[0].frobenius, 0.25);  // of 0.5 and 0
  EXPECT_DOUBLE_EQ(kinds[1].frobenius, 0.25);
  EXPECT_DOUBLE_EQ(kinds[1].nuclear, 0);  // not measured
  EXPECT_DOUBLE_EQ(average_of(kinds).frobenius, 0.25);
  EXPECT_EQ(average_of(kinds).layers, 3);
}

TEST(QuantizeSummary, BitsCountTheFactorsInFp32) {
  QuantizeReport report;
  report.layers = {layer("q_proj", 0, 0)};
  // 4.5 bits of 32 weights and 2 * (4 + 8) numbers of 32 bits.
  EXPECT_DOUBLE_EQ(bits_per_weight(report), (4.5 * 32 + 32 * 24) / 32);
  EXPECT_EQ(bits_per_weight({}), 0);
}

}  // namespace quantize_summary_test
}  // namespace svtune
