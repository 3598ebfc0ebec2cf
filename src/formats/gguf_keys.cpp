#include "formats/gguf_keys.h"

#include <algorithm>
#include <charconv>

#include "base/errors.h"

namespace svtune {

GgufKeys::GgufKeys(const GgufFile& file, std::string_view architecture)
    : file_(file), prefix_(std::string(architecture) + ".") {}

std::optional<std::int64_t> GgufKeys::integer(std::string_view key) const {
  return file_.integer(name(key));
}

std::optional<std::string> GgufKeys::string(std::string_view key) const {
  return file_.string(name(key));
}

std::optional<double> GgufKeys::number(std::string_view key) const {
  const auto value = file_.number(name(key));
  if (!value) return std::nullopt;
  return shortest_decimal(static_cast<float>(*value));
}

std::int64_t GgufKeys::positive(std::string_view key) const {
  return checked_positive(key, file_.require_integer(name(key)));
}

std::int64_t GgufKeys::positive_or(std::string_view key, std::int64_t fallback) const {
  return checked_positive(key, integer(key).value_or(fallback));
}

double GgufKeys::require_number(std::string_view key) const {
  const auto value = number(key);
  if (!value) fail(key, "is missing");
  return *value;
}

std::int64_t GgufKeys::checked_positive(std::string_view key, std::int64_t value) const {
  if (value < 1 || value > (std::int64_t{1} << 31)) {
    fail(key, "got " + std::to_string(value) + ", need 1 to 2147483648");
  }
  return value;
}

void GgufKeys::fail(std::string_view key, const std::string& what) const {
  throw FileError(file_.path().string(), "key \"" + name(key) + "\": " + what);
}

void GgufKeys::refuse_unknown(std::span<const std::string_view> known,
                              std::span<const GgufName> numbers) const {
  for (const auto& [key, value] : file_.metadata()) {
    if (!key.starts_with(prefix_)) continue;
    const std::string_view rest = std::string_view(key).substr(prefix_.size());
    const bool is_known =
        std::ranges::count(known, rest) + std::ranges::count(numbers, rest, &GgufName::gguf) > 0;
    if (!is_known) fail(rest, "is not supported, and could change the results");
  }
}

double shortest_decimal(float value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double shortest = value;
  std::from_chars(text, end, shortest);
  return shortest;
}

}  // namespace svtune
