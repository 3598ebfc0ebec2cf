// Dequantisation against the `gguf` package on random blocks (bit-equal), and the 16-bit
// float conversions exhaustively.
#include "formats/gguf_dequant.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "base/random.h"
#include "formats/float_convert.h"
#include "formats/gguf_types.h"

namespace svtune {
namespace gguf_dequant_test {

constexpr std::size_t kBlocks = 200;

// Byte offsets of the f16 scales in a block: they must be finite, all else may be anything.
std::vector<std::size_t> half_offsets(GgufType type) {
  switch (type) {
    case GgufType::kQ4_0:
    case GgufType::kQ5_0:
    case GgufType::kQ8_0:
      return {0};
    case GgufType::kQ2_K:
      return {80, 82};
    case GgufType::kQ3_K:
      return {108};
    case GgufType::kQ6_K:
      return {208};
    default:
      return {0, 2};
  }
}

std::string random_blocks(GgufType type, std::size_t block_bytes) {
  Xoshiro256 generator(static_cast<std::uint64_t>(type));
  std::string blocks(kBlocks * block_bytes, '\0');
  for (char& c : blocks) c = static_cast<char>(generator.next_u64());
  const bool plain = type == GgufType::kF32 || type == GgufType::kF16 || type == GgufType::kBF16;
  for (std::size_t i = 0; i < kBlocks && !plain; ++i) {
    for (const std::size_t offset : half_offsets(type)) {
      // Subnormal, zero and normal values; exponents below 31 are finite.
      const auto half = static_cast<std::uint16_t>(generator.next_u64() & 0xBBFF);
      std::memcpy(blocks.data() + i * block_bytes + offset, &half, sizeof half);
    }
  }
  return blocks;
}

std::string expand(GgufType type, const std::string& blocks, std::size_t count) {
  std::vector<float> values(count);
  gguf_dequantize(static_cast<std::uint32_t>(type),
                  std::as_bytes(std::span(blocks.data(), blocks.size())), values);
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

TEST(GgufDequant, IsBitEqualToTheReferencePackage) {
  const std::string python = test::oracle_python("gguf, numpy");
  if (python.empty()) GTEST_SKIP() << "no Python with gguf and numpy";
  const std::string script = R"(
import sys, gguf, numpy as np
for name in sys.argv[2:]:
    raw = np.fromfile(f'{sys.argv[1]}/{name}', dtype=np.uint8)
    kind = gguf.GGMLQuantizationType[name]
    if name in ('F32', 'F16'):
        values = raw.view(np.float32 if name == 'F32' else np.float16).astype(np.float32)
    else:
        values = gguf.quants.dequantize(raw.reshape(-1, gguf.GGML_QUANT_SIZES[kind][1]), kind)
    values.astype(np.float32).tofile(f'{sys.argv[1]}/{name}.out')
)";
  test::TempDirectory directory;
  std::vector<std::string> arguments = {directory.path()};
  std::vector<const GgufTypeTraits*> types;
  for (std::uint32_t id = 0; id < 64; ++id) {
    const GgufTypeTraits* traits = gguf_type_traits(id);
    if (traits == nullptr || !traits->supported) continue;
    types.push_back(traits);
    arguments.push_back(std::string(traits->name));
    write_file_atomic(directory / arguments.back(),
                      random_blocks(static_cast<GgufType>(id), traits->block_bytes));
  }
  ASSERT_EQ(types.size(), 13U);
  test::run_oracle(python, script, arguments);
  for (const GgufTypeTraits* traits : types) {
    const std::string name(traits->name);
    const std::string ours =
        expand(static_cast<GgufType>(traits->id), read_file(directory / name, 1 << 20),
               kBlocks * traits->block_elements);
    const std::string theirs = read_file(directory / (name + ".out"), 1 << 20);
    ASSERT_EQ(ours.size(), theirs.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < ours.size(); i += 4) {
      std::uint32_t a, b;
      std::memcpy(&a, ours.data() + i, 4);
      std::memcpy(&b, theirs.data() + i, 4);
      // Random 16- and 32-bit floats contain NaN, whose payload does not matter.
      const auto is_nan = [](std::uint32_t bits) { return std::isnan(std::bit_cast<float>(bits)); };
      different += a != b && !(is_nan(a) && is_nan(b));
    }
    EXPECT_EQ(different, 0U) << name;
  }
}

// One block each, worked out by hand; the reference package may be absent.
TEST(GgufDequant, TwoAndThreeBitBlocksByHand) {
  const auto half = [](std::string& block, std::size_t at, std::uint16_t bits) {
    std::memcpy(block.data() + at, &bits, sizeof bits);
  };
  constexpr std::uint16_t kOne = 0x3C00, kTwo = 0x4000;
  std::string q2(84, '\0');
  q2[3] = 0x25;              // sub-block 3: scale 5, minimum 2
  q2[16 + 16 + 7] = '\x0C';  // its code 7, pair 1 of the byte: 3
  half(q2, 80, kOne), half(q2, 82, kTwo);
  const std::string two = expand(GgufType::kQ2_K, q2, 256);
  const auto at = [](const std::string& values, std::size_t i) {
    float value;
    std::memcpy(&value, values.data() + i * sizeof value, sizeof value);
    return value;
  };
  EXPECT_EQ(at(two, 3 * 16 + 7), 1 * 5 * 3 - 2 * 2);
  EXPECT_EQ(at(two, 3 * 16 + 6), -4);
  EXPECT_EQ(at(two, 0), 0);
  std::string q3(110, '\0');
  q3[96 + 2] = 0x30;        // sub-block 10: low nibble 3
  q3[96 + 8 + 2] = '\x30';  // top pair 3: scale 51 - 32 = 19
  q3[32 + 32 + 5] = 0x08;   // code 5 of sub-block 10, pair 1: 2
  q3[5] = 0x20;             // its third bit, row 5: not centred
  half(q3, 108, kTwo);
  const std::string three = expand(GgufType::kQ3_K, q3, 256);
  EXPECT_EQ(at(three, 10 * 16 + 5), 2 * 19 * 2);
  EXPECT_EQ(at(three, 10 * 16 + 6), 2 * 19 * -4);
  EXPECT_EQ(at(three, 0), 2 * -32 * -4);
}

TEST(GgufDequant, WrongSizesAndTypesAreRefused) {
  std::vector<float> out(32);
  const std::string block(34, '\0');
  const auto bytes = std::as_bytes(std::span(block.data(), block.size()));
  EXPECT_NO_THROW(gguf_dequantize(8, bytes, out));
  EXPECT_THROW(gguf_dequantize(8, bytes.subspan(1), out), Error);
  EXPECT_THROW(gguf_dequantize(8, bytes, std::span(out).subspan(1)), Error);
  EXPECT_THROW(gguf_dequantize(10, bytes, out), Error);
  EXPECT_THROW(gguf_dequantize(1000, bytes, out), Error);
}

TEST(FloatConvert, EveryHalfRoundTrips) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f16_to_f32(half);
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const double fraction = bits & 1023;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), fraction != 0);
      EXPECT_EQ(std::isinf(value), fraction == 0);
    } else {
      // The definition: (-1)^s 2^(e-15) (1 + f/1024), or 2^-14 f/1024 for e = 0.
      const double magnitude =
          exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      EXPECT_EQ(value, bits & 0x8000 ? -magnitude : magnitude);
    }
    if (!std::isnan(value)) {
      EXPECT_EQ(f32_to_f16(value), half);
    }
    const float wide = bf16_to_f32(half);
    if (!std::isnan(wide)) {
      EXPECT_EQ(f32_to_bf16(wide), half);
    }
  }
}

TEST(FloatConvert, NarrowingRoundsToNearestEven) {
  // Between neighbours a < b: below, at and above the midpoint.
  for (std::uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const double a = f16_to_f32(static_cast<std::uint16_t>(bits));
    const double b = f16_to_f32(static_cast<std::uint16_t>(bits + 1));
    const auto middle = static_cast<float>((a + b) / 2);
    EXPECT_EQ(f32_to_f16(std::nextafter(middle, 0.0F)), bits);
    EXPECT_EQ(f32_to_f16(middle), bits + (bits & 1));
    EXPECT_EQ(f32_to_f16(std::nextafter(middle, 1e9F)), bits + 1);
  }
  EXPECT_EQ(f32_to_f16(65519.99F), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(f32_to_f16(-1e30F), 0xFC00);
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(NAN))));
  const float one_and_half_ulp = std::bit_cast<float>(0x3F808000U);
  EXPECT_EQ(f32_to_bf16(one_and_half_ulp), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808001U)), 0x3F81);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F818000U)), 0x3F82);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7F800001U)))));
}

TEST(FloatConvert, InfinityAndNanAreFoundInEveryFloatType) {
  const std::vector<float> fine = {0.0F, -65504.0F, 1e-7F};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    std::vector<std::byte> bytes(fine.size() * static_cast<std::size_t>(dtype_bits(dtype)) / 8);
    convert_from_f32(dtype, fine, bytes);
    EXPECT_TRUE(all_finite(dtype, bytes));
    for (const float odd : {INFINITY, -INFINITY, NAN}) {
      std::vector<float> values = fine;
      values.back() = odd;
      convert_from_f32(dtype, values, bytes);
      EXPECT_FALSE(all_finite(dtype, bytes));
    }
  }
  const std::vector<float> large = {1e5F};
  std::vector<std::byte> bytes(2);
  convert_from_f32(DType::kF16, large, bytes);
  EXPECT_FALSE(all_finite(DType::kF16, bytes));
  EXPECT_TRUE(all_finite(DType::kI16, bytes));
}

TEST(FloatConvert, ArraysConvertBothWaysAndCheckSizes) {
  const std::vector<float> values = {0.0F, -1.5F, 3.25F};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    std::vector<std::byte> bytes(values.size() * static_cast<std::size_t>(dtype_bits(dtype)) / 8);
    convert_from_f32(dtype, values, bytes);
    std::vector<float> back(values.size());
    convert_to_f32(dtype, bytes, back);
    EXPECT_EQ(back, values);
    EXPECT_THROW(convert_to_f32(dtype, std::span(bytes).subspan(1), back), Error);
  }
  std::vector<std::byte> bytes(3);
  EXPECT_THROW(convert_from_f32(DType::kI8, values, bytes), Error);
}

}  // namespace gguf_dequant_test
}  // namespace svtune
