// Quantisation against a slow version written from the formats' description; the bytes of
// bitsandbytes itself are compared in quant_oracle_test.cpp.
#include "quant/quantized_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "quant/kernels/block_kernels.h"

namespace svtune {
namespace quantized_matrix_test {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

at::Tensor random_matrix(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn({out, in}, generator) * 0.02;
}

std::vector<int> codes_of(const QuantStorage& storage) {
  std::vector<int> codes;
  for (std::int64_t i = 0; i < storage.out_features * storage.in_features; ++i) {
    const int pair = storage.codes.const_data_ptr<std::uint8_t>()[i / 2];
    codes.push_back(i % 2 == 0 ? pair >> 4 : pair & 15);
  }
  return codes;
}

// Value by value: distance of fraction to each map entry in fp64.
void expect_nearest_codes(const at::Tensor& weight, const QuantStorage& storage) {
  const std::vector<int> codes = codes_of(storage);
  const at::Tensor values = weight.to(at::kFloat).contiguous();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const double absmax = storage.absmax[i / storage.block_size].item<double>();
    const double fraction = values.const_data_ptr<float>()[i] / std::max(absmax, 1e-38);
    double best = 10;
    for (int c = 0; c < 16; ++c) {
      best = std::min(best, std::abs(fraction - storage.map[c].item<double>()));
    }
    // fp32 rounding of the fraction may take the neighbour when both are almost equally near.
    EXPECT_LE(std::abs(fraction - storage.map[codes[i]].item<double>()), best + 1e-6) << i;
  }
}

struct Case {
  QuantType type;
  std::int64_t block, out, in;
  friend std::ostream& operator<<(std::ostream& out, const Case& each) {
    return out << (each.type == QuantType::kNf4 ? "nf4" : "fp4") << " blocks of " << each.block
               << ", " << each.out << "x" << each.in;
  }
};

class FourBit : public ::testing::TestWithParam<Case> {};

TEST_P(FourBit, TakesTheNearestValueOfTheBlock) {
  const Case& c = GetParam();
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
    const at::Tensor weight = random_matrix(c.out, c.in, 3).to(dtype);
    const QuantizedMatrix matrix = quantize(weight, {.type = c.type, .block_size = c.block});
    const QuantStorage& storage = matrix.storage();
    EXPECT_EQ(storage.original_dtype, dtype);
    const at::Tensor flat = weight.to(at::kFloat).flatten();
    for (std::int64_t b = 0; b < storage.absmax.numel(); ++b) {
      const std::int64_t size = std::min(c.block, flat.numel() - b * c.block);
      EXPECT_EQ(storage.absmax[b].item<float>(),
                flat.narrow(0, b * c.block, size).abs().max().item<float>());
    }
    expect_nearest_codes(weight, storage);
  }
}

// Whole blocks, rows that share blocks, a partial last block, an odd number of values.
INSTANTIATE_TEST_SUITE_P(
    Quantize, FourBit,
    ::testing::Values(Case{QuantType::kNf4, 64, 8, 64}, Case{QuantType::kNf4, 32, 7, 96},
                      Case{QuantType::kNf4, 64, 5, 50}, Case{QuantType::kNf4, 4096, 3, 33},
                      Case{QuantType::kFp4, 64, 6, 80}, Case{QuantType::kFp4, 128, 1, 77}));

TEST(QuantizedMatrix, DequantizesToTheProductOfMapAndScale) {
  for (const auto type : {QuantType::kNf4, QuantType::kFp4}) {
    for (const std::int64_t in : {64, 50, 33}) {
      const at::Tensor weight = random_matrix(9, in, 5);
      const QuantizedMatrix matrix = quantize(weight, {.type = type});
      const std::vector<int> codes = codes_of(matrix.storage());
      at::Tensor expected = at::empty({9, in});
      for (std::int64_t i = 0; i < 9 * in; ++i) {
        expected.mutable_data_ptr<float>()[i] =
            matrix.storage().map.const_data_ptr<float>()[codes[i]] *
            matrix.storage().absmax.const_data_ptr<float>()[i / 64];
      }
      for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
        EXPECT_TRUE(at::equal(matrix.dequantize(dtype), expected.to(dtype)));
      }
    }
  }
}

TEST(QuantizedMatrix, ErrorIsThatOfNf4) {
  const at::Tensor weight = random_matrix(256, 256, 1);
  const at::Tensor error = quantize(weight, {}).dequantize(at::kFloat) - weight;
  // NF4 on Gaussian blocks of 64 has a relative error of 0.092.
  EXPECT_NEAR((error.norm() / weight.norm()).item<double>(), 0.092, 0.002);
  EXPECT_NEAR(quantize(weight, {}).bits_per_weight(), 4.5, 0.01);
}

TEST(QuantizedMatrix, DoubleQuantisationRestoresTheScales) {
  const at::Tensor weight = random_matrix(300, 320, 2);
  const QuantizedMatrix plain = quantize(weight, {});
  const QuantizedMatrix nested = quantize(weight, {.double_quant = true});
  EXPECT_TRUE(at::equal(plain.storage().codes, nested.storage().codes));
  EXPECT_FALSE(nested.storage().absmax.defined());
  EXPECT_NEAR(nested.storage().nested_offset, plain.storage().absmax.mean().item<double>(), 1e-8);
  const at::Tensor difference = nested.dequantize(at::kFloat) - plain.dequantize(at::kFloat);
  // 8 bits on what is left after the mean: far below the error of 4 bits.
  EXPECT_LT((difference.norm() / weight.norm()).item<double>(), 0.005);
  EXPECT_GT(difference.norm().item<double>(), 0);
  EXPECT_NEAR(nested.bits_per_weight(), 4.0 + 8.0 / 64 + 32.0 / (64 * 256), 0.15);
}

TEST(QuantizedMatrix, Int8RowsRoundToTheNearest) {
  const at::Tensor weight = random_matrix(20, 45, 4).to(at::kBFloat16);
  const QuantizedMatrix matrix = quantize(weight, {.type = QuantType::kInt8});
  const at::Tensor absmax = weight.to(at::kDouble).abs().amax(1);
  const at::Tensor exact = weight.to(at::kDouble) * 127 / absmax.unsqueeze(1);
  EXPECT_TRUE(at::equal(matrix.storage().absmax.to(at::kDouble), absmax));
  // Half a step, and the rounding of the fp32 factor.
  EXPECT_LE((exact - matrix.storage().codes.to(at::kDouble)).abs().max().item<double>(), 0.5001);
  const at::Tensor error = matrix.dequantize(at::kFloat) - weight.to(at::kFloat);
  EXPECT_LE((error.abs() / absmax.unsqueeze(1)).max().item<double>(), 0.5001 / 127);
  EXPECT_NEAR(matrix.bits_per_weight(), 8 + 32.0 / 45, 1e-9);
}

TEST(QuantizedMatrix, ZeroBlocksStayZero) {
  at::Tensor weight = random_matrix(4, 64, 6);
  weight.narrow(0, 1, 1).zero_();
  for (const auto type : {QuantType::kNf4, QuantType::kFp4, QuantType::kInt8}) {
    for (const bool nested : {false, type != QuantType::kInt8}) {
      const QuantizedMatrix matrix = quantize(weight, {.type = type, .double_quant = nested});
      EXPECT_EQ(matrix.dequantize(at::kFloat)[1].abs().max().item<float>(), 0.0f);
    }
    EXPECT_EQ(
        quantize(at::zeros({3, 30}), {.type = type}).dequantize(at::kFloat).norm().item<float>(),
        0.0f);
  }
}

TEST(QuantizedMatrix, EveryInstructionSetGivesTheSameBits) {
  const auto& all = kernels::supported_block_kernels();
  EXPECT_STREQ(all.back()->name, "portable");
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    // Subnormals, large values and many magnitudes.
    at::Tensor weight = random_matrix(64, 320, 8);
    weight *= at::pow(10.0, at::linspace(-6, 5, 64).unsqueeze(1));
    weight = weight.to(dtype);
    for (const auto type : {QuantType::kNf4, QuantType::kFp4}) {
      std::vector<QuantizedMatrix> matrices;
      std::vector<at::Tensor> dense;
      for (const kernels::BlockKernels* each : all) {
        const kernels::ForceBlockKernels force(*each);
        matrices.push_back(quantize(weight, {.type = type}));
        for (const auto target : {at::kFloat, at::kBFloat16, at::kHalf}) {
          dense.push_back(matrices.back().dequantize(target).view(
              target == at::kFloat ? at::kInt : at::kShort));
        }
        EXPECT_TRUE(at::equal(matrices.back().storage().codes, matrices[0].storage().codes))
            << each->name;
        EXPECT_TRUE(at::equal(matrices.back().storage().absmax, matrices[0].storage().absmax))
            << each->name;
        for (std::size_t i = 0; i < 3; ++i) {
          EXPECT_TRUE(at::equal(dense[dense.size() - 3 + i], dense[i])) << each->name << i;
        }
      }
    }
  }
}

TEST(QuantizedMatrix, RoundsToHalfLikeLibTorch) {
  // Each scale of a block yields sixteen products; together they cover all exponents of fp16.
  auto generator = at::detail::createCPUGenerator(9);
  const at::Tensor weight =
      at::randn({512, 64}, generator) * at::pow(10.0, at::linspace(-9, 5.5, 512).unsqueeze(1));
  for (const kernels::BlockKernels* each : kernels::supported_block_kernels()) {
    const kernels::ForceBlockKernels force(*each);
    const QuantizedMatrix matrix = quantize(weight, {});
    const at::Tensor exact = matrix.dequantize(at::kFloat);
    EXPECT_TRUE(at::equal(matrix.dequantize(at::kHalf), exact.to(at::kHalf))) << each->name;
    EXPECT_TRUE(at::equal(matrix.dequantize(at::kBFloat16), exact.to(at::kBFloat16))) << each->name;
  }
}

TEST(QuantizedMatrix, ReadsEveryHalf) {
  const at::Tensor bits = at::arange(0, 0x7c00, at::kInt).to(at::kShort);
  const at::Tensor weight = bits.view(at::kHalf).view({496, 64});
  for (const kernels::BlockKernels* each : kernels::supported_block_kernels()) {
    const kernels::ForceBlockKernels force(*each);
    for (const at::Tensor& signed_weight : {weight, -weight}) {
      const QuantizedMatrix half = quantize(signed_weight, {});
      const QuantizedMatrix wide = quantize(signed_weight.to(at::kFloat), {});
      EXPECT_TRUE(at::equal(half.storage().codes, wide.storage().codes)) << each->name;
      EXPECT_TRUE(at::equal(half.storage().absmax, wide.storage().absmax)) << each->name;
    }
  }
}

TEST(QuantizedMatrix, SameBitsForAnyThreadCount) {
  const at::Tensor weight = random_matrix(900, 1024, 10);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const QuantizedMatrix one = quantize(weight, {.double_quant = true});
  const at::Tensor dense = one.dequantize(at::kBFloat16);
  at::set_num_threads(3);
  const QuantizedMatrix three = quantize(weight, {.double_quant = true});
  EXPECT_TRUE(at::equal(one.storage().codes, three.storage().codes));
  EXPECT_TRUE(at::equal(one.storage().absmax_codes, three.storage().absmax_codes));
  EXPECT_EQ(one.storage().nested_offset, three.storage().nested_offset);
  EXPECT_TRUE(at::equal(dense, three.dequantize(at::kBFloat16)));
  at::set_num_threads(threads);
}

TEST(QuantizedMatrix, RefusesWhatItCannotQuantise) {
  const at::Tensor weight = random_matrix(4, 64, 1);
  EXPECT_THROW(quantize(weight, {.block_size = 48}), std::invalid_argument);
  EXPECT_THROW(quantize(weight, {.block_size = 8192}), std::invalid_argument);
  EXPECT_THROW(quantize(weight.to(at::kLong), {}), std::invalid_argument);
  EXPECT_THROW(quantize(weight.flatten(), {}), std::invalid_argument);
  EXPECT_THROW(quantize(weight, {.type = QuantType::kInt8, .double_quant = true}),
               std::invalid_argument);
  for (const auto type : {QuantType::kNf4, QuantType::kFp4, QuantType::kInt8}) {
    for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      at::Tensor broken = weight.clone();
      broken[2][17] = bad;
      EXPECT_THAT([&] { quantize(broken, {.type = type}); },
                  ThrowsMessage<ModelError>(HasSubstr("row 2, column 17")));
    }
  }
}

TEST(QuantizedMatrix, RefusesStorageThatDoesNotFit) {
  const QuantStorage good = quantize(random_matrix(4, 64, 1), {}).storage();
  const auto with = [&](auto change) {
    QuantStorage storage = good;
    change(storage);
    return [storage] { QuantizedMatrix matrix(storage); };
  };
  EXPECT_NO_THROW(QuantizedMatrix{good});
  EXPECT_THROW(with([](auto& s) { s.block_size = 65; })(), ModelError);
  EXPECT_THROW(with([](auto& s) { s.out_features = 5; })(), ModelError);
  EXPECT_THROW(with([](auto& s) { s.map = s.map.narrow(0, 0, 15); })(), ModelError);
  EXPECT_THROW(with([](auto& s) { s.absmax = s.absmax.to(at::kHalf); })(), ModelError);
  EXPECT_THROW(with([](auto& s) { s.absmax = at::full({4}, NAN); })(), ModelError);
  EXPECT_THROW(with([](auto& s) { s.codes = at::Tensor(); })(), ModelError);
}

TEST(QuantizedMatrix, DequantizeIntoRefusesAnotherShape) {
  const QuantizedMatrix matrix = quantize(random_matrix(4, 64, 1), {});
  EXPECT_THROW(matrix.dequantize_into(at::empty({64, 4})), std::invalid_argument);
  EXPECT_THROW(matrix.dequantize_into(at::empty({4, 64}, at::kLong)), std::invalid_argument);
  EXPECT_THROW(matrix.dequantize_into(at::empty({64, 4}).t()), std::invalid_argument);
}

// Forecasts are made of models that have no values.
TEST(QuantizedMatrix, ShapesAloneTakeTheBytesOfValues) {
  const at::Tensor weight = random_matrix(9, 70, 3);
  const at::Tensor shape = at::empty({9, 70}, weight.options().device(at::kMeta));
  for (const QuantType type : {QuantType::kInt8, QuantType::kNf4, QuantType::kFp4}) {
    for (const bool nested : {false, true}) {
      if (nested && type == QuantType::kInt8) continue;
      const QuantConfig config{.type = type, .double_quant = nested};
      const QuantizedMatrix alone = quantize(shape, config);
      const QuantizedMatrix whole = quantize(weight, config);
      EXPECT_EQ(alone.nbytes(), whole.nbytes());
      EXPECT_EQ(alone.held_bytes(), whole.held_bytes());
      const auto scales = static_cast<std::int64_t>(whole.block_scales().nbytes());
      EXPECT_EQ(whole.held_bytes(), whole.nbytes() + (nested ? scales : 0));
      EXPECT_TRUE(alone.storage().codes.is_meta());
      EXPECT_EQ(alone.out_features(), 9);
      EXPECT_EQ(alone.in_features(), 70);
    }
  }
}

}  // namespace quantized_matrix_test
}  // namespace svtune
