// Hash of short byte strings for in-memory tables. Not stable across releases: values never
// leave the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace svtune::detail {

inline std::uint64_t mix_hash(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0xD6E8FEB86659FD93ULL;
  value ^= value >> 32;
  return value;
}

inline std::uint64_t hash_word(std::string_view word) {
  const char* at = word.data();
  std::size_t left = word.size();
  std::uint64_t hash = 0x9E3779B97F4A7C15ULL * (left + 1);
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t chunk;
    std::memcpy(&chunk, at, 8);
    hash = mix_hash(hash ^ chunk) + 0x9E3779B97F4A7C15ULL;
  }
  if (left > 0) {
    std::uint64_t chunk = 0;
    std::memcpy(&chunk, at, left);
    hash ^= chunk;
  }
  return mix_hash(hash);
}

}  // namespace svtune::detail
