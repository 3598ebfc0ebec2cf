// block_kernels.h for AVX-512 (F, BW, DQ, VL).
#include <immintrin.h>

#include "quant/kernels/block_loops.h"
#include "quant/kernels/isa.h"

namespace svtune::kernels {
namespace {

// Sixteen floats to bf16, to nearest even.
__m256i to_bf16(__m512 values) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16));
}

struct Avx512 {
  static constexpr const char* kName = "avx512";

  struct Vec {
    __m512 lanes;

    static Vec load(const float* values) { return {_mm512_loadu_ps(values)}; }
    static Vec load(const Bf16* values) {
      const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
      return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
    }
    static Vec load(const Half* values) {
      return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values)))};
    }
    static Vec set(float value) { return {_mm512_set1_ps(value)}; }
    void store(float* values) const { _mm512_storeu_ps(values, lanes); }
    float sum() const {
      const __m256 eight =
          _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
      __m128 rest = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
      rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
      return _mm_cvtss_f32(_mm_add_ss(rest, _mm_movehdup_ps(rest)));
    }
    friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.lanes, b.lanes)}; }
    friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.lanes, b.lanes)}; }
  };

  class Magnitudes {
   public:
    void include(Vec vec) {
      const __m512i bits =
          _mm512_and_si512(_mm512_castps_si512(vec.lanes), _mm512_set1_epi32(0x7fffffff));
      bits_ = _mm512_max_epi32(bits_, bits);
    }
    float value() const { return std::bit_cast<float>(_mm512_reduce_max_epi32(bits_)); }

   private:
    __m512i bits_ = _mm512_setzero_si512();
  };

  using Ranks = __m512i;

  // Halves the interval four times; each table holds, at the rank so far, the next bound.
  class Ranker {
   public:
    explicit Ranker(const Codebook& book)
        : order_(_mm_load_si128(reinterpret_cast<const __m128i*>(book.order))) {
      alignas(64) float shifted[3][16] = {};
      for (int step = 0; step < 3; ++step) {
        for (int i = 0; i < 16; ++i) {
          const int at = i + (4 >> step) - 1;
          shifted[step][i] = book.bounds[at < 15 ? at : 15];
        }
        bounds_[step] = _mm512_load_ps(shifted[step]);
      }
      values_ = _mm512_load_ps(book.sorted);
      middle_ = _mm512_set1_ps(book.bounds[7]);
    }

    Ranks rank(Vec vec) const {
      __m512i ranks = _mm512_maskz_set1_epi32(above(vec, middle_), 8);
      ranks = _mm512_mask_add_epi32(ranks, above(vec, next(ranks, 0)), ranks, _mm512_set1_epi32(4));
      ranks = _mm512_mask_add_epi32(ranks, above(vec, next(ranks, 1)), ranks, _mm512_set1_epi32(2));
      return _mm512_mask_add_epi32(ranks, above(vec, next(ranks, 2)), ranks, _mm512_set1_epi32(1));
    }

    Vec value(Ranks ranks) const { return {_mm512_permutexvar_ps(ranks, values_)}; }

    void pack(Ranks ranks, std::uint8_t* packed) const {
      const __m128i codes = _mm_shuffle_epi8(order_, _mm512_cvtepi32_epi8(ranks));
      const __m128i pairs =
          _mm_maddubs_epi16(codes, _mm_set1_epi16(0x0110));  // 16 · first + second
      _mm_storel_epi64(reinterpret_cast<__m128i*>(packed), _mm_packus_epi16(pairs, pairs));
    }

   private:
    static __mmask16 above(Vec vec, __m512 bounds) {
      return _mm512_cmp_ps_mask(vec.lanes, bounds, _CMP_GT_OQ);
    }
    __m512 next(Ranks ranks, int step) const { return _mm512_permutexvar_ps(ranks, bounds_[step]); }

    __m128i order_;
    __m512 values_;
    __m512 middle_;
    __m512 bounds_[3];
  };

  // 16-bit values: the table is given twice, so that bit 4 of an index does not matter.
  class Lookup16 {
   public:
    explicit Lookup16(__m256i table) : table_(_mm512_broadcast_i64x4(table)) {}
    void expand(const std::uint8_t* codes, std::int64_t count, void* values) const {
      auto* out = static_cast<std::uint16_t*>(values);
      for (std::int64_t i = 0; i < count; i += 32) {
        const __m512i bytes =
            _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i / 2)));
        const __m512i nibbles =
            _mm512_or_si512(_mm512_srli_epi32(bytes, 4), _mm512_slli_epi32(bytes, 16));
        _mm512_storeu_si512(out + i, _mm512_permutexvar_epi16(nibbles, table_));
      }
    }

   private:
    __m512i table_;
  };

  template <class T>
  class Lookup;
};

template <>
class Avx512::Lookup<Bf16> : public Avx512::Lookup16 {
 public:
  explicit Lookup(Vec values) : Lookup16(to_bf16(values.lanes)) {}
};

template <>
class Avx512::Lookup<Half> : public Avx512::Lookup16 {
 public:
  explicit Lookup(Vec values)
      : Lookup16(_mm512_cvtps_ph(values.lanes, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)) {}
};

template <>
class Avx512::Lookup<float> {
 public:
  explicit Lookup(Vec values) : table_(values.lanes) {}
  void expand(const std::uint8_t* codes, std::int64_t count, float* values) const {
    for (std::int64_t i = 0; i < count; i += kLanes) {
      const __m512i bytes =
          _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i / 2)));
      const __m512i nibbles =
          _mm512_or_si512(_mm512_srli_epi64(bytes, 4), _mm512_slli_epi64(bytes, 32));
      _mm512_storeu_ps(values + i, _mm512_permutexvar_ps(nibbles, table_));
    }
  }

 private:
  __m512 table_;
};

}  // namespace

const BlockKernels& avx512_block_kernels() {
  static const BlockKernels kernels = make_block_kernels<Avx512>();
  return kernels;
}

}  // namespace svtune::kernels
