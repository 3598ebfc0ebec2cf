// XXH64, written from the published algorithm description (four 64-bit lanes over 32-byte
// stripes, then a tail of 8, 4 and 1 bytes and an avalanche).
#include "base/hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace svtune {
namespace {

static_assert(std::endian::native == std::endian::little, "read_word assumes little-endian");

constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87ULL;
constexpr std::uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FULL;
constexpr std::uint64_t kPrime3 = 0x165667B19E3779F9ULL;
constexpr std::uint64_t kPrime4 = 0x85EBCA77C2B2AE63ULL;
constexpr std::uint64_t kPrime5 = 0x27D4EB2F165667C5ULL;
constexpr std::size_t kStripe = 32;

template <typename Word>
std::uint64_t read_word(const std::byte* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

std::uint64_t mix_lane(std::uint64_t lane, std::uint64_t input) {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

void consume_stripes(std::array<std::uint64_t, 4>& lanes, const std::byte* data,
                     std::size_t stripes) {
  std::array<std::uint64_t, 4> local = lanes;  // registers instead of memory
  for (; stripes > 0; --stripes, data += kStripe) {
    for (std::size_t i = 0; i < 4; ++i) {
      local[i] = mix_lane(local[i], read_word<std::uint64_t>(data + 8 * i));
    }
  }
  lanes = local;
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

}  // namespace

Hasher64::Hasher64(std::uint64_t seed)
    : lanes_{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1},
      pending_{},
      seed_(seed) {}

void Hasher64::update(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  total_ += bytes.size();
  if (pending_size_ > 0) {
    const std::size_t take = std::min(bytes.size(), kStripe - pending_size_);
    std::memcpy(pending_.data() + pending_size_, bytes.data(), take);
    pending_size_ += take;
    bytes = bytes.subspan(take);
    if (pending_size_ < kStripe) return;
    consume_stripes(lanes_, pending_.data(), 1);
    pending_size_ = 0;
  }
  const std::size_t stripes = bytes.size() / kStripe;
  consume_stripes(lanes_, bytes.data(), stripes);
  bytes = bytes.subspan(stripes * kStripe);
  if (!bytes.empty()) std::memcpy(pending_.data(), bytes.data(), bytes.size());
  pending_size_ = bytes.size();
}

void Hasher64::update(std::string_view text) { update(as_bytes(text)); }

std::uint64_t Hasher64::digest() const {
  std::uint64_t hash = seed_ + kPrime5;
  if (total_ >= kStripe) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
           std::rotl(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_) {
      hash = (hash ^ mix_lane(0, lane)) * kPrime1 + kPrime4;
    }
  }
  hash += total_;
  const std::byte* data = pending_.data();
  std::size_t left = pending_size_;
  for (; left >= 8; left -= 8, data += 8) {
    hash = std::rotl(hash ^ mix_lane(0, read_word<std::uint64_t>(data)), 27) * kPrime1 + kPrime4;
  }
  for (; left >= 4; left -= 4, data += 4) {
    hash = std::rotl(hash ^ read_word<std::uint32_t>(data) * kPrime1, 23) * kPrime2 + kPrime3;
  }
  for (; left > 0; --left, ++data) {
    hash = std::rotl(hash ^ read_word<std::uint8_t>(data) * kPrime5, 11) * kPrime1;
  }
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed) {
  Hasher64 hasher(seed);
  hasher.update(bytes);
  return hasher.digest();
}

std::uint64_t hash64(std::string_view text, std::uint64_t seed) {
  return hash64(as_bytes(text), seed);
}

std::uint64_t derive_seed(std::uint64_t run_seed, std::string_view purpose, std::string_view name) {
  Hasher64 hasher(run_seed);
  hasher.update(purpose);
  hasher.update(std::string_view("\0", 1));  // ("ab", "c") differs from ("a", "bc")
  hasher.update(name);
  return hasher.digest();
}

std::string hex64(std::uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) text[i] = kDigits[value & 15];
  return text;
}

}  // namespace svtune
