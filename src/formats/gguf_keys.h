// The keys "<architecture>.X" of a GGUF file's metadata; here they are named by X.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/gguf.h"
#include "formats/gguf_family.h"

namespace svtune {

class GgufKeys {
 public:
  // Keeps a reference to `file`.
  GgufKeys(const GgufFile& file, std::string_view architecture);

  // nullopt when absent; FileError as GgufFile throws it for another type.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  // As shortest_decimal.
  std::optional<double> number(std::string_view key) const;
  // 1 to 2^31, else FileError; the first also when the key is absent.
  std::int64_t positive(std::string_view key) const;
  std::int64_t positive_or(std::string_view key, std::int64_t fallback) const;
  // FileError unless it is there.
  double require_number(std::string_view key) const;

  // FileError for a key of the architecture that is in neither list.
  void refuse_unknown(std::span<const std::string_view> known,
                      std::span<const GgufName> numbers) const;
  // FileError naming the whole key.
  [[noreturn]] void fail(std::string_view key, const std::string& what) const;

 private:
  std::string name(std::string_view key) const { return prefix_ + std::string(key); }
  std::int64_t checked_positive(std::string_view key, std::int64_t value) const;

  const GgufFile& file_;
  std::string prefix_;
};

// Files store floats in 32 bits: the shortest decimal that gives the same float is what the
// original configuration said (1e-05, not 9.999999747378752e-06).
double shortest_decimal(float value);

}  // namespace svtune
