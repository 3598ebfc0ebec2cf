// Generators; see random.h.
#include "base/random.h"

#include <bit>
#include <cmath>

namespace svtune {

std::uint64_t SplitMix64::next_u64() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
  return z ^ z >> 31;
}

Xoshiro256::Xoshiro256(std::uint64_t seed) {
  SplitMix64 seeder(seed);
  for (std::uint64_t& word : words_) word = seeder.next_u64();
}

std::uint64_t Xoshiro256::next_u64() {
  const std::uint64_t result = std::rotl(words_[1] * 5, 7) * 9;
  const std::uint64_t shifted = words_[1] << 17;
  words_[2] ^= words_[0];
  words_[3] ^= words_[1];
  words_[1] ^= words_[2];
  words_[0] ^= words_[3];
  words_[2] ^= shifted;
  words_[3] = std::rotl(words_[3], 45);
  return result;
}

double Xoshiro256::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

std::uint64_t Xoshiro256::bounded(std::uint64_t n) {
  if (n == 0) return 0;
  // The lowest 2^64 mod n values would make small results more likely: draw again.
  const std::uint64_t skip = (0 - n) % n;
  while (true) {
    const std::uint64_t draw = next_u64();
    if (draw >= skip) return draw % n;
  }
}

double Xoshiro256::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  while (true) {
    const double x = 2 * uniform() - 1;
    const double y = 2 * uniform() - 1;
    const double square = x * x + y * y;
    if (square >= 1 || square == 0) continue;
    const double factor = std::sqrt(-2 * std::log(square) / square);
    spare_ = y * factor;
    has_spare_ = true;
    return x * factor;
  }
}

Xoshiro256::State Xoshiro256::state() const {
  return {words_[0],
          words_[1],
          words_[2],
          words_[3],
          has_spare_ ? 1U : 0U,
          std::bit_cast<std::uint64_t>(spare_)};
}

void Xoshiro256::set_state(const State& state) {
  words_ = {state[0], state[1], state[2], state[3]};
  has_spare_ = state[4] != 0;
  spare_ = std::bit_cast<double>(state[5]);
}

}  // namespace svtune
