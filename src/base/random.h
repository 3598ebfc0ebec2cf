// Deterministic random numbers: SplitMix64 for seeding, xoshiro256** (Blackman and Vigna,
// "Scrambled linear pseudorandom number generators", 2021) for everything else. The whole
// state can be saved and restored, so a resumed run continues the same sequence.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace svtune {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next_u64();

 private:
  std::uint64_t state_;
};

class Xoshiro256 {
 public:
  // Four state words, then whether a second normal value is kept, then its bits.
  using State = std::array<std::uint64_t, 6>;

  explicit Xoshiro256(std::uint64_t seed);

  std::uint64_t next_u64();
  // In [0, 1), a multiple of 2^-53.
  double uniform();
  // In [0, n), unbiased; 0 when n is 0.
  std::uint64_t bounded(std::uint64_t n);
  // Standard normal (Marsaglia's polar method, two values per pair of draws).
  double normal();

  template <typename T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      using std::swap;
      swap(items[i - 1], items[static_cast<std::size_t>(bounded(i))]);
    }
  }

  State state() const;
  void set_state(const State& state);

 private:
  std::array<std::uint64_t, 4> words_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace svtune
