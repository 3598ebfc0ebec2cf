// Block formats. Common terms: d = block scale, m = block minimum (both f16), q = code.
// Q4_0, Q5_0, Q8_0: x = d*q (codes centred); Q4_1, Q5_1: x = d*q + m;
// Q4_K, Q5_K: eight sub-blocks of 32 with 6-bit scale s and minimum n: x = d*s*q - m*n;
// Q2_K: sixteen sub-blocks of 16 with 4-bit s and n; Q3_K, Q6_K: sixteen of 16, x = d*s*q.
#include "formats/gguf_dequant.h"

#include <cstring>
#include <string>

#include "base/errors.h"
#include "formats/float_convert.h"
#include "formats/gguf_types.h"

namespace svtune {
namespace {

using Bytes = const std::uint8_t*;

constexpr int kBlock = 32;
constexpr int kSuperBlock = 256;
constexpr int kSubBlock = 16;  // of Q2_K and Q3_K

float half_at(Bytes bytes) {
  std::uint16_t half;
  std::memcpy(&half, bytes, sizeof half);
  return f16_to_f32(half);
}

void expand_q8_0(Bytes block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < kBlock; ++i) {
    out[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * d;
  }
}

void expand_q4_0(Bytes block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = static_cast<float>((block[2 + i] & 15) - 8) * d;
    out[i + kBlock / 2] = static_cast<float>((block[2 + i] >> 4) - 8) * d;
  }
}

void expand_q4_1(Bytes block, float* out) {
  const float d = half_at(block);
  const float m = half_at(block + 2);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = static_cast<float>(block[4 + i] & 15) * d + m;
    out[i + kBlock / 2] = static_cast<float>(block[4 + i] >> 4) * d + m;
  }
}

// The 32 five-bit codes of Q5_0 and Q5_1: fifth bits in one word, then 16 bytes of nibbles.
void five_bit_codes(Bytes bytes, std::int32_t* codes) {
  std::uint32_t high;
  std::memcpy(&high, bytes, sizeof high);
  for (int i = 0; i < kBlock / 2; ++i) {
    codes[i] = (bytes[4 + i] & 15) | static_cast<std::int32_t>((high >> i & 1U) << 4);
    codes[i + kBlock / 2] =
        (bytes[4 + i] >> 4) | static_cast<std::int32_t>((high >> (i + kBlock / 2) & 1U) << 4);
  }
}

void expand_q5_0(Bytes block, float* out) {
  const float d = half_at(block);
  std::int32_t codes[kBlock];
  five_bit_codes(block + 2, codes);
  for (int i = 0; i < kBlock; ++i) out[i] = static_cast<float>(codes[i] - 16) * d;
}

void expand_q5_1(Bytes block, float* out) {
  const float d = half_at(block);
  const float m = half_at(block + 2);
  std::int32_t codes[kBlock];
  five_bit_codes(block + 4, codes);
  for (int i = 0; i < kBlock; ++i) out[i] = static_cast<float>(codes[i]) * d + m;
}

struct ScaleMin {
  float scale;
  float min;
};

// Sub-block `i` of Q4_K and Q5_K: the first four pairs fill the low six bits of bytes 0-7;
// the last four have their low nibbles in bytes 8-11, their top bits above the first four.
ScaleMin scale_min(Bytes packed, int i) {
  if (i < 4) {
    return {static_cast<float>(packed[i] & 63), static_cast<float>(packed[i + 4] & 63)};
  }
  return {static_cast<float>((packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4),
          static_cast<float>((packed[i + 4] >> 4) | (packed[i] >> 6) << 4)};
}

// Sub-block `i` of Q2_K and Q3_K: its 16 codes are the bit pairs `shift` of 16 bytes.
struct BitPairs {
  Bytes bytes;
  int shift;
  int code(int j) const { return bytes[j] >> shift & 3; }
};

// Each half of 128 codes lies in 32 bytes: pair `row` of them holds two sub-blocks.
BitPairs bit_pairs(Bytes codes, int i) {
  return {codes + i / 8 * kBlock + i % 2 * kSubBlock, i % 8 / 2 * 2};
}

void expand_q2_k(Bytes block, float* out) {
  const Bytes scales = block;  // low nibble scale, high nibble minimum
  const float d = half_at(block + 80);
  const float m = half_at(block + 82);
  for (int i = 0; i < kSuperBlock / kSubBlock; ++i) {
    const float scale = d * static_cast<float>(scales[i] & 15);
    const float min = m * static_cast<float>(scales[i] >> 4);
    const BitPairs pairs = bit_pairs(block + 16, i);
    for (int j = 0; j < kSubBlock; ++j) {
      out[i * kSubBlock + j] = scale * static_cast<float>(pairs.code(j)) - min;
    }
  }
}

// Scale of sub-block `i` of Q3_K, 6 bits: low nibbles of all in bytes 0-7, top pairs in 8-11.
int q3_k_scale(Bytes packed, int i) {
  const int low = packed[i % 8] >> i / 8 * 4 & 15;
  const int high = packed[8 + i % 4] >> i / 4 * 2 & 3;
  return (low | high << 4) - 32;
}

void expand_q3_k(Bytes block, float* out) {
  const Bytes high = block;  // bit r of byte j: third bit of code j in row r of 32
  const float d = half_at(block + 108);
  for (int i = 0; i < kSuperBlock / kSubBlock; ++i) {
    const float scale = d * static_cast<float>(q3_k_scale(block + 96, i));
    const BitPairs pairs = bit_pairs(block + 32, i);
    const Bytes bits = high + i % 2 * kSubBlock;
    for (int j = 0; j < kSubBlock; ++j) {
      // The codes are centred by 4 where the third bit is clear.
      const int code = pairs.code(j) - ((bits[j] >> i / 2 & 1) != 0 ? 0 : 4);
      out[i * kSubBlock + j] = scale * static_cast<float>(code);
    }
  }
}

void expand_q4_k(Bytes block, float* out) {
  const float d = half_at(block);
  const float m = half_at(block + 2);
  for (int i = 0; i < kSuperBlock / kBlock; ++i) {
    const ScaleMin sub = scale_min(block + 4, i);
    const float scale = d * sub.scale;
    const float min = m * sub.min;
    // Each 32 bytes hold two sub-blocks: low nibbles, then high nibbles.
    const Bytes codes = block + 16 + i / 2 * kBlock;
    const int shift = i % 2 * 4;
    for (int j = 0; j < kBlock; ++j) {
      out[i * kBlock + j] = scale * static_cast<float>(codes[j] >> shift & 15) - min;
    }
  }
}

void expand_q5_k(Bytes block, float* out) {
  const float d = half_at(block);
  const float m = half_at(block + 2);
  const Bytes high = block + 16;  // bit i of byte j: fifth bit of code j in sub-block i
  for (int i = 0; i < kSuperBlock / kBlock; ++i) {
    const ScaleMin sub = scale_min(block + 4, i);
    const float scale = d * sub.scale;
    const float min = m * sub.min;
    const Bytes codes = block + 48 + i / 2 * kBlock;
    const int shift = i % 2 * 4;
    for (int j = 0; j < kBlock; ++j) {
      const int code = (codes[j] >> shift & 15) | (high[j] >> i & 1) << 4;
      out[i * kBlock + j] = scale * static_cast<float>(code) - min;
    }
  }
}

void expand_q6_k(Bytes block, float* out) {
  const Bytes low = block;         // 128 bytes of nibbles
  const Bytes high = block + 128;  // 64 bytes of bit pairs
  const Bytes scales = block + 192;
  const float d = half_at(block + 208);
  for (int i = 0; i < kSuperBlock / kBlock; ++i) {
    // Each half of 128 codes has four rows of 32: rows 0 and 1 in the low nibbles of its two
    // 32-byte groups, rows 2 and 3 in the high nibbles; bit pair `row` completes them.
    const int half = i / 4;
    const int row = i % 4;
    const Bytes nibbles = low + half * 64 + row % 2 * kBlock;
    const Bytes pairs = high + half * kBlock;
    for (int j = 0; j < kBlock; ++j) {
      const int code = ((nibbles[j] >> row / 2 * 4 & 15) | (pairs[j] >> row * 2 & 3) << 4) - 32;
      const auto scale = static_cast<std::int8_t>(scales[i * 2 + j / 16]);
      out[i * kBlock + j] = d * static_cast<float>(scale) * static_cast<float>(code);
    }
  }
}

template <typename Expand>
void each_block(const GgufTypeTraits& traits, std::span<const std::byte> data, float* out,
                Expand expand) {
  const Bytes bytes = reinterpret_cast<Bytes>(data.data());
  const std::size_t blocks = data.size() / traits.block_bytes;
  for (std::size_t i = 0; i < blocks; ++i) {
    expand(bytes + i * traits.block_bytes, out + i * traits.block_elements);
  }
}

}  // namespace

void gguf_dequantize(std::uint32_t type, std::span<const std::byte> data, std::span<float> out) {
  const GgufTypeTraits* traits = gguf_type_traits(type);
  if (traits == nullptr || !traits->supported) {
    throw Error("[gguf_dequantize] got type " +
                    (traits == nullptr ? std::to_string(type) : std::string(traits->name)) +
                    ", need one of " + gguf_supported_types(),
                "use a file with another quantisation, for example Q8_0 or Q4_K_M");
  }
  if (data.size() % traits->block_bytes != 0 ||
      data.size() / traits->block_bytes * traits->block_elements != out.size()) {
    throw Error("[gguf_dequantize] got " + std::to_string(data.size()) + " bytes of " +
                std::string(traits->name) + " for " + std::to_string(out.size()) + " values");
  }
  switch (static_cast<GgufType>(type)) {
    case GgufType::kF32:
      return convert_to_f32(DType::kF32, data, out);
    case GgufType::kF16:
      return convert_to_f32(DType::kF16, data, out);
    case GgufType::kBF16:
      return convert_to_f32(DType::kBF16, data, out);
    case GgufType::kQ4_0:
      return each_block(*traits, data, out.data(), expand_q4_0);
    case GgufType::kQ4_1:
      return each_block(*traits, data, out.data(), expand_q4_1);
    case GgufType::kQ5_0:
      return each_block(*traits, data, out.data(), expand_q5_0);
    case GgufType::kQ5_1:
      return each_block(*traits, data, out.data(), expand_q5_1);
    case GgufType::kQ8_0:
      return each_block(*traits, data, out.data(), expand_q8_0);
    case GgufType::kQ2_K:
      return each_block(*traits, data, out.data(), expand_q2_k);
    case GgufType::kQ3_K:
      return each_block(*traits, data, out.data(), expand_q3_k);
    case GgufType::kQ4_K:
      return each_block(*traits, data, out.data(), expand_q4_k);
    case GgufType::kQ5_K:
      return each_block(*traits, data, out.data(), expand_q5_k);
    case GgufType::kQ6_K:
      return each_block(*traits, data, out.data(), expand_q6_k);
  }
}

}  // namespace svtune
