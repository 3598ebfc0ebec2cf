// block_kernels.h for AVX2 with F16C.
#include <immintrin.h>

#include "quant/kernels/block_loops.h"
#include "quant/kernels/isa.h"

namespace svtune::kernels {
namespace {

// Words of four registers' dwords, which hold at most 16 bits each, in order.
__m256i words_of(__m256i low, __m256i high) {
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
}

// Eight floats to bf16 in the low halves of dwords, to nearest even.
__m256i to_bf16(__m256 values) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  return _mm256_srli_epi32(sum, 16);
}

struct Avx2 {
  static constexpr const char* kName = "avx2";

  struct Vec {
    __m256 low, high;

    static Vec load(const float* values) {
      return {_mm256_loadu_ps(values), _mm256_loadu_ps(values + 8)};
    }
    static Vec load(const Bf16* values) { return {bf16(values), bf16(values + 8)}; }
    static Vec load(const Half* values) {
      return {_mm256_cvtph_ps(words(values)), _mm256_cvtph_ps(words(values + 8))};
    }
    static Vec set(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
    void store(float* values) const {
      _mm256_storeu_ps(values, low);
      _mm256_storeu_ps(values + 8, high);
    }
    float sum() const {
      const __m256 eight = _mm256_add_ps(low, high);
      __m128 rest = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
      rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
      return _mm_cvtss_f32(_mm_add_ss(rest, _mm_movehdup_ps(rest)));
    }
    friend Vec operator+(Vec a, Vec b) {
      return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
    }
    friend Vec operator*(Vec a, Vec b) {
      return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
    }

   private:
    static __m128i words(const void* values) {
      return _mm_loadu_si128(static_cast<const __m128i*>(values));
    }
    static __m256 bf16(const Bf16* values) {
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(words(values)), 16));
    }
  };

  class Magnitudes {
   public:
    void include(Vec vec) {
      const __m256i mask = _mm256_set1_epi32(0x7fffffff);
      bits_ = _mm256_max_epi32(bits_, _mm256_and_si256(_mm256_castps_si256(vec.low), mask));
      bits_ = _mm256_max_epi32(bits_, _mm256_and_si256(_mm256_castps_si256(vec.high), mask));
    }
    float value() const {
      __m128i half =
          _mm_max_epi32(_mm256_castsi256_si128(bits_), _mm256_extracti128_si256(bits_, 1));
      half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
      half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1));
      return std::bit_cast<float>(_mm_cvtsi128_si32(half));
    }

   private:
    __m256i bits_ = _mm256_setzero_si256();
  };

  struct Ranks {
    __m256i low, high;
  };

  // Sixteen floats, looked up by the low four bits of dwords.
  struct Table {
    __m256 low, high;
    __m256 at(__m256i index, __m256 upper_half) const {
      return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, index),
                              _mm256_permutevar8x32_ps(high, index), upper_half);
    }
  };

  // Halves the interval four times; each table holds, at the rank so far, the next bound.
  class Ranker {
   public:
    explicit Ranker(const Codebook& book)
        : order_(_mm_load_si128(reinterpret_cast<const __m128i*>(book.order))),
          values_(table(book.sorted)),
          middle_(_mm256_set1_ps(book.bounds[7])) {
      for (int step = 0; step < 3; ++step) {
        float shifted[16];
        for (int i = 0; i < 16; ++i) {
          const int at = i + (4 >> step) - 1;
          shifted[i] = book.bounds[at < 15 ? at : 15];
        }
        bounds_[step] = table(shifted);
      }
    }

    Ranks rank(Vec vec) const { return {rank(vec.low), rank(vec.high)}; }
    Vec value(Ranks ranks) const { return {value(ranks.low), value(ranks.high)}; }

    void pack(Ranks ranks, std::uint8_t* packed) const {
      const __m256i words = words_of(ranks.low, ranks.high);
      const __m128i bytes =
          _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      const __m128i codes = _mm_shuffle_epi8(order_, bytes);
      const __m128i pairs =
          _mm_maddubs_epi16(codes, _mm_set1_epi16(0x0110));  // 16 · first + second
      _mm_storel_epi64(reinterpret_cast<__m128i*>(packed), _mm_packus_epi16(pairs, pairs));
    }

   private:
    static Table table(const float* values) {
      return {_mm256_loadu_ps(values), _mm256_loadu_ps(values + 8)};
    }
    static __m256 above(__m256 values, __m256 bound) {
      return _mm256_cmp_ps(values, bound, _CMP_GT_OQ);
    }
    __m256i rank(__m256 values) const {
      const __m256 upper = above(values, middle_);  // all ones: the upper half, rank 8 and more
      __m256i ranks = _mm256_and_si256(_mm256_castps_si256(upper), _mm256_set1_epi32(8));
      for (int step = 0; step < 3; ++step) {
        const __m256 more = above(values, bounds_[step].at(ranks, upper));
        ranks = _mm256_add_epi32(
            ranks, _mm256_and_si256(_mm256_castps_si256(more), _mm256_set1_epi32(4 >> step)));
      }
      return ranks;
    }
    __m256 value(__m256i ranks) const {
      return values_.at(ranks, _mm256_castsi256_ps(_mm256_slli_epi32(ranks, 28)));
    }

    __m128i order_;
    Table values_;
    __m256 middle_;
    Table bounds_[3];
  };

  // 16-bit values by byte shuffles: a table of the low bytes and one of the high bytes.
  class Lookup16 {
   public:
    explicit Lookup16(__m256i table) {
      const __m256i mask = _mm256_set1_epi16(0xff);
      low_ = bytes(_mm256_and_si256(table, mask));
      high_ = bytes(_mm256_srli_epi16(table, 8));
    }
    void expand(const std::uint8_t* codes, std::int64_t count, void* values) const {
      auto* out = static_cast<std::uint16_t*>(values);
      const __m128i mask = _mm_set1_epi8(15);
      for (std::int64_t i = 0; i < count; i += 32) {
        const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i / 2));
        const __m128i first = _mm_and_si128(_mm_srli_epi16(packed, 4), mask);
        const __m128i second = _mm_and_si128(packed, mask);
        store(_mm_unpacklo_epi8(first, second), out + i);
        store(_mm_unpackhi_epi8(first, second), out + i + 16);
      }
    }

   private:
    static __m128i bytes(__m256i words) {
      return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    }
    void store(__m128i nibbles, std::uint16_t* out) const {
      const __m128i low = _mm_shuffle_epi8(low_, nibbles), high = _mm_shuffle_epi8(high_, nibbles);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_unpacklo_epi8(low, high));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 8), _mm_unpackhi_epi8(low, high));
    }

    __m128i low_, high_;
  };

  template <class T>
  class Lookup;
};

template <>
class Avx2::Lookup<Bf16> : public Avx2::Lookup16 {
 public:
  explicit Lookup(Vec values) : Lookup16(words_of(to_bf16(values.low), to_bf16(values.high))) {}
};

template <>
class Avx2::Lookup<Half> : public Avx2::Lookup16 {
 public:
  explicit Lookup(Vec values)
      : Lookup16(_mm256_set_m128i(_mm256_cvtps_ph(values.high, kNearest),
                                  _mm256_cvtps_ph(values.low, kNearest))) {}

 private:
  static constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
};

template <>
class Avx2::Lookup<float> {
 public:
  explicit Lookup(Vec values) : table_{values.low, values.high} {}
  void expand(const std::uint8_t* codes, std::int64_t count, float* values) const {
    for (std::int64_t i = 0; i < count; i += 8) {
      std::int32_t four;
      __builtin_memcpy(&four, codes + i / 2, 4);
      const __m256i bytes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
      const __m256i nibbles =
          _mm256_or_si256(_mm256_srli_epi64(bytes, 4), _mm256_slli_epi64(bytes, 32));
      const __m256 upper_half = _mm256_castsi256_ps(_mm256_slli_epi32(nibbles, 28));
      _mm256_storeu_ps(values + i, table_.at(nibbles, upper_half));
    }
  }

 private:
  Table table_;
};

}  // namespace

const BlockKernels& avx2_block_kernels() {
  static const BlockKernels kernels = make_block_kernels<Avx2>();
  return kernels;
}

}  // namespace svtune::kernels
