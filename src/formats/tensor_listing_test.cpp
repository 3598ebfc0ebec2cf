// Sums over lists of tensors whose sizes are known; the layouts are bitsandbytes'.
#include "formats/tensor_listing.h"

#include <gtest/gtest.h>

namespace svtune {
namespace tensor_listing_test {

TEST(TensorListing, AddsValuesAndBytesByDtype) {
  const std::vector<StoredTensor> tensors{
      {"a", "BF16", {2, 3}, 12}, {"b", "F32", {5}, 20}, {"c", "BF16", {}, 2}};
  const auto totals = totals_by_dtype(tensors);
  EXPECT_EQ(totals.at("BF16").values, 7);  // a tensor without dimensions is one value
  EXPECT_EQ(totals.at("BF16").bytes, 14u);
  EXPECT_EQ(totals.at("F32").values, 5);
  EXPECT_EQ(total_of(tensors).values, 12);
  EXPECT_EQ(total_of(tensors).bytes, 34u);
}

// NF4 in blocks of 64 with one fp32 scale each: 4 + 32 / 64 bits, and the description's bytes.
TEST(TensorListing, CountsScalesAmongTheBitsOfFourBitWeights) {
  const std::vector<StoredTensor> tensors{
      {"q.weight", "U8", {64 * 64 / 2, 1}, 64 * 64 / 2},
      {"q.weight.absmax", "F32", {64}, 256},
      {"q.weight.quant_map", "F32", {16}, 64},
      {"norm.weight", "F32", {64}, 256},
  };
  const QuantisedTotals total = quantised_totals(tensors);
  EXPECT_EQ(total.matrices, 1);
  EXPECT_EQ(total.weights, 64 * 64);
  EXPECT_EQ(total.block_size(), 64u);
  EXPECT_DOUBLE_EQ(total.bits_per_weight(), 4 + 0.5 + 8.0 * 64 / (64 * 64));
}

// int8 has one fp32 scale a row, beside the matrix and not under its name.
TEST(TensorListing, CountsRowScalesAmongTheBitsOfEightBitWeights) {
  const std::vector<StoredTensor> tensors{{"q.weight", "I8", {32, 128}, 32 * 128},
                                          {"q.SCB", "F32", {32}, 128},
                                          {"k.SCB", "F32", {32}, 128}};
  const QuantisedTotals total = quantised_totals(tensors);
  EXPECT_EQ(total.matrices, 1);  // k has scales and no codes
  EXPECT_EQ(total.block_size(), 128u);
  EXPECT_DOUBLE_EQ(total.bits_per_weight(), 8 + 32.0 / 128);
}

TEST(TensorListing, FindsNoQuantisedMatrixAmongPlainOnes) {
  EXPECT_EQ(quantised_totals({{"q.weight", "BF16", {4, 4}, 32}}).matrices, 0);
}

}  // namespace tensor_listing_test
}  // namespace svtune
