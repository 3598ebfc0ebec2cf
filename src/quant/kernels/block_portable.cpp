// block_kernels.h in plain C++.
#include "quant/kernels/block_loops.h"
#include "quant/kernels/isa.h"

namespace svtune::kernels {
namespace {

float widen(float value) { return value; }
float widen(Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

float widen(Half value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000u) << 16;
  const std::uint32_t rest = value.bits & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  // Exponents differ by 112; the product brings subnormals to their place as well.
  const float magnitude = std::bit_cast<float>(rest << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

void narrow(float value, float* target) { *target = value; }

// Rounds to nearest even.
void narrow(float value, Bf16* target) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  target->bits = static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

void narrow(float value, Half* target) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t rest = bits & 0x7fffffffu;
  std::uint32_t half;
  if (rest >= 0x477ff000u) {
    half = 0x7c00u;  // 65520 and above
  } else if (rest < 0x38800000u) {
    // Below 2^-14 the unit is 2^-24, the one of the numbers from 0.5 to 1.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) + 0.5f) - 0x3f000000u;
  } else {
    half = (rest - 0x38000000u + 0xfffu + ((rest >> 13) & 1u)) >> 13;
  }
  target->bits = static_cast<std::uint16_t>(sign | half);
}

struct Portable {
  static constexpr const char* kName = "portable";

  struct Vec {
    float lane[kLanes];

    template <class T>
    static Vec load(const T* values) {
      Vec out;
      for (int i = 0; i < kLanes; ++i) out.lane[i] = widen(values[i]);
      return out;
    }
    static Vec set(float value) {
      Vec out;
      for (float& lane : out.lane) lane = value;
      return out;
    }
    void store(float* values) const {
      for (int i = 0; i < kLanes; ++i) values[i] = lane[i];
    }
    float sum() const {
      Vec rest = *this;
      for (int width = kLanes / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; ++i) rest.lane[i] = rest.lane[i] + rest.lane[i + width];
      }
      return rest.lane[0];
    }
    friend Vec operator+(const Vec& a, const Vec& b) {
      Vec out;
      for (int i = 0; i < kLanes; ++i) out.lane[i] = a.lane[i] + b.lane[i];
      return out;
    }
    friend Vec operator*(const Vec& a, const Vec& b) {
      Vec out;
      for (int i = 0; i < kLanes; ++i) out.lane[i] = a.lane[i] * b.lane[i];
      return out;
    }
  };

  class Magnitudes {
   public:
    void include(const Vec& vec) {
      for (int i = 0; i < kLanes; ++i) {
        const auto bits =
            static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(vec.lane[i]) & 0x7fffffffu);
        bits_[i] = bits > bits_[i] ? bits : bits_[i];
      }
    }
    float value() const {
      std::int32_t largest = 0;
      for (const std::int32_t bits : bits_) largest = bits > largest ? bits : largest;
      return std::bit_cast<float>(largest);
    }

   private:
    std::int32_t bits_[kLanes] = {};
  };

  struct Ranks {
    std::int32_t lane[kLanes];
  };

  class Ranker {
   public:
    explicit Ranker(const Codebook& book) : book_(book) {}
    Ranks rank(const Vec& vec) const {
      Ranks out{};
      for (int k = 0; k < 15; ++k) {
        const float bound = book_.bounds[k];
        for (int i = 0; i < kLanes; ++i) out.lane[i] += vec.lane[i] > bound;
      }
      return out;
    }
    Vec value(const Ranks& ranks) const {
      Vec out;
      for (int i = 0; i < kLanes; ++i) out.lane[i] = book_.sorted[ranks.lane[i]];
      return out;
    }
    void pack(const Ranks& ranks, std::uint8_t* packed) const {
      for (int i = 0; i < kLanes / 2; ++i) {
        packed[i] = static_cast<std::uint8_t>(book_.order[ranks.lane[2 * i]] << 4 |
                                              book_.order[ranks.lane[2 * i + 1]]);
      }
    }

   private:
    const Codebook& book_;
  };

  template <class T>
  class Lookup {
   public:
    explicit Lookup(const Vec& values) {
      for (int i = 0; i < kLanes; ++i) narrow(values.lane[i], &table_[i]);
    }
    void expand(const std::uint8_t* codes, std::int64_t count, T* values) const {
      for (std::int64_t i = 0; i < count / 2; ++i) {
        values[2 * i] = table_[codes[i] >> 4];
        values[2 * i + 1] = table_[codes[i] & 15];
      }
    }

   private:
    T table_[16];
  };
};

}  // namespace

const BlockKernels& portable_block_kernels() {
  static const BlockKernels kernels = make_block_kernels<Portable>();
  return kernels;
}

}  // namespace svtune::kernels
