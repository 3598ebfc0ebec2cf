// The search for better scales than absmax, against trying many scales one by one.
#include <gtest/gtest.h>

#include <vector>

#include "libtorch/prelude.h"
#include "quant/kernels/block_kernels.h"
#include "quant/quantize_again.h"
#include "quant/quantized_matrix.h"

namespace svtune {
namespace scale_search_test {

at::Tensor random_matrix(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn({out, in}, generator) * 0.02;
}

double error_of(const QuantizedMatrix& matrix, const at::Tensor& weight) {
  return (matrix.dequantize(at::kFloat) - weight.to(at::kFloat)).norm().item<double>();
}

double error_of(const at::Tensor& weight, const QuantConfig& config) {
  return error_of(quantize(weight, config), weight);
}

// Squared error of the best of many scales, in fp64, block by block.
double exhaustive_error(const at::Tensor& weight, const at::Tensor& map, bool both_signs) {
  const at::Tensor blocks = weight.to(at::kDouble).view({-1, 64});
  const at::Tensor absmax = blocks.abs().amax(1, true);
  at::Tensor best = blocks.square().sum(1);
  for (int percent = 60; percent < 160; ++percent) {
    const double multiple = percent / 100.0;
    for (const double sign : {1.0, -1.0}) {
      if (sign < 0 && !both_signs) continue;
      const at::Tensor scale = absmax * (sign * multiple);
      const at::Tensor distances = (blocks / scale).unsqueeze(2) - map.to(at::kDouble);
      const at::Tensor nearest = std::get<0>(distances.abs().min(2));
      best = at::minimum(best, (nearest * scale).square().sum(1));
    }
  }
  return std::sqrt(best.sum().item<double>());
}

TEST(ScaleSearch, ComesNearTheBestScale) {
  const at::Tensor weight = random_matrix(32, 128, 1);
  for (const auto type : {QuantType::kNf4, QuantType::kFp4}) {
    for (const auto choice : {ScaleChoice::kSearch, ScaleChoice::kSigned}) {
      const QuantizedMatrix matrix = quantize(weight, {.type = type, .scales = choice});
      const double best =
          exhaustive_error(weight, matrix.storage().map, choice == ScaleChoice::kSigned);
      // A few candidates, each with the best scale for its codes, instead of 100 of either sign.
      EXPECT_LT(error_of(matrix, weight), 1.01 * best);
    }
  }
}

TEST(ScaleSearch, EachChoiceIsBetterThanTheOneBefore) {
  const at::Tensor weight = random_matrix(256, 256, 2);
  const double absmax = error_of(weight, {});
  const double search = error_of(weight, {.scales = ScaleChoice::kSearch});
  const double both = error_of(weight, {.scales = ScaleChoice::kSigned});
  EXPECT_LT(search, 0.94 * absmax);
  EXPECT_LT(both, 0.975 * search);
  const auto scales = quantize(weight, {.scales = ScaleChoice::kSigned}).storage().absmax;
  EXPECT_TRUE(scales.lt(0).any().item<bool>());
  EXPECT_FALSE(
      quantize(weight, {.scales = ScaleChoice::kSearch}).storage().absmax.lt(0).any().item<bool>());
}

TEST(ScaleSearch, DoubleQuantisationCostsLittle) {
  const at::Tensor weight = random_matrix(256, 256, 3);
  const QuantConfig config{.scales = ScaleChoice::kSigned};
  const QuantConfig nested{.scales = ScaleChoice::kSigned, .double_quant = true};
  EXPECT_LT(error_of(weight, nested), 1.02 * error_of(weight, config));
  EXPECT_LT(error_of(weight, nested), error_of(weight, {.double_quant = true}));
}

TEST(ScaleSearch, EveryBlockSizeAndPartialBlocks) {
  for (const std::int64_t size : {32, 256, 4096}) {
    for (const std::int64_t in : {96, 131}) {
      const at::Tensor weight = random_matrix(47, in, 4).to(at::kBFloat16);
      EXPECT_LT(error_of(weight, {.block_size = size, .scales = ScaleChoice::kSigned}),
                0.99 * error_of(weight, {.block_size = size}));
    }
  }
  at::Tensor zero = random_matrix(4, 80, 5);
  zero.narrow(0, 1, 2).zero_();
  zero.flatten().narrow(0, 256, 64).zero_();
  const at::Tensor dense = quantize(zero, {.scales = ScaleChoice::kSigned}).dequantize(at::kFloat);
  EXPECT_EQ(dense.masked_select(zero.eq(0)).abs().sum().item<float>(), 0.0f);
}

TEST(ScaleSearch, EveryInstructionSetGivesTheSameBits) {
  at::Tensor weight = random_matrix(48, 330, 6);
  weight *= at::pow(10.0, at::linspace(-30, 30, 48).unsqueeze(1));
  for (const auto type : {QuantType::kNf4, QuantType::kFp4}) {
    std::vector<QuantStorage> first;
    for (const kernels::BlockKernels* each : kernels::supported_block_kernels()) {
      const kernels::ForceBlockKernels force(*each);
      const QuantConfig config{.type = type, .scales = ScaleChoice::kSigned};
      const QuantizedMatrix once = quantize(weight, config);
      const QuantizedMatrix again =
          detail::quantize_again(weight * 1.03, config, &once, detail::SearchEffort::kQuick);
      if (first.empty()) first = {once.storage(), again.storage()};
      EXPECT_TRUE(at::equal(once.storage().absmax, first[0].absmax)) << each->name;
      EXPECT_TRUE(at::equal(once.storage().codes, first[0].codes)) << each->name;
      EXPECT_TRUE(at::equal(again.storage().absmax, first[1].absmax)) << each->name;
      EXPECT_TRUE(at::equal(again.storage().codes, first[1].codes)) << each->name;
    }
  }
}

TEST(ScaleSearch, AgainIsNeverWorseThanBefore) {
  const at::Tensor weight = random_matrix(128, 192, 7);
  const QuantConfig config{.scales = ScaleChoice::kSigned};
  const QuantizedMatrix before = quantize(weight, config);
  const at::Tensor changed = weight + random_matrix(128, 192, 8) * 0.1;
  for (const auto effort : {detail::SearchEffort::kQuick, detail::SearchEffort::kFull}) {
    const QuantizedMatrix again = detail::quantize_again(changed, config, &before, effort);
    const at::Tensor old = (before.dequantize(at::kFloat) - changed).view({-1, 64}).square().sum(1);
    const at::Tensor now = (again.dequantize(at::kFloat) - changed).view({-1, 64}).square().sum(1);
    // fp32 sums of 64 squares.
    EXPECT_TRUE(now.le(old * (1 + 1e-5)).all().item<bool>());
  }
  EXPECT_LE(error_of(detail::quantize_again(changed, config, &before, detail::SearchEffort::kFull),
                     changed),
            error_of(changed, config) * 1.0001);
}

}  // namespace scale_search_test
}  // namespace svtune
