// Stable 64-bit hashing (the XXH64 function of xxhash's specification: same value on every
// platform and in every release) and the seeds derived from it. Not for secrets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace svtune {

std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0);
std::uint64_t hash64(std::string_view text, std::uint64_t seed = 0);

// Seed for one purpose and one name within a run, e.g. derive_seed(42, "lora_A",
// "model.layers.0.self_attn.q_proj"): independent of the order in which things are made.
std::uint64_t derive_seed(std::uint64_t run_seed, std::string_view purpose, std::string_view name);

// 16 lower-case hexadecimal digits.
std::string hex64(std::uint64_t value);

// hash64 over data that arrives in pieces; any split gives the value of the whole.
class Hasher64 {
 public:
  explicit Hasher64(std::uint64_t seed = 0);
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  // May be called repeatedly; does not change the state.
  std::uint64_t digest() const;

 private:
  std::array<std::uint64_t, 4> lanes_;
  std::array<std::byte, 32> pending_;
  std::size_t pending_size_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t seed_;
};

}  // namespace svtune
