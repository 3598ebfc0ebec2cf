// String helpers; see text_util.h.
#include "base/text_util.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/number_text.h"

namespace svtune {
namespace {

char fold(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '_' ? '-' : c;
}

// Edit distance in half steps, with swapped neighbours as one edit.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = 2 * j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = 2 * i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1]               ? 0
                                 : fold(a[i - 1]) == fold(b[j - 1]) ? 1
                                                                    : 2;
      row[j] = std::min({last[j] + 2, row[j - 1] + 2, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 2);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

// Length of the valid UTF-8 sequence at `pos`, or 0; `bad` gets the length of the maximal
// invalid part to replace.
std::size_t sequence_length(std::string_view text, std::size_t pos, std::size_t& bad) {
  const auto at = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = at(pos);
  bad = 1;
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i, low = 0x80, high = 0xBF) {
    if (at(pos + i) < low || at(pos + i) > high) return 0;
    bad = i + 1;
  }
  return length;
}

// `value` with the largest unit that leaves something before the point, each `base` of the one
// before; values that would round up to the next unit take it.
std::string three_digits(double value, double base, std::span<const char* const> units) {
  std::size_t unit = 0;
  while (value >= base - 0.5 && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fixed(value, digits) + units[unit];
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::string join_some(std::span<const std::string> parts, std::string_view separator,
                      std::size_t most) {
  if (parts.size() <= most) return join(parts, separator);
  return join(parts.first(most), separator) + " and " + std::to_string(parts.size() - most) +
         " more";
}

std::string pad_left(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + std::string(text);
}

std::string pad_right(std::string_view text, std::size_t width) {
  return std::string(text) + std::string(width - std::min(width, text.size()), ' ');
}

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string to_lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string last_part(std::string_view path) {
  return std::string(path.substr(path.rfind('.') + 1));
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  std::size_t begin = 0;
  for (std::size_t hit; (hit = text.find(from, begin)) != std::string_view::npos;) {
    out.append(text.substr(begin, hit - begin)).append(to);
    begin = hit + from.size();
  }
  return out.append(text.substr(begin));
}

std::string nearest_name(std::string_view name, std::span<const std::string> candidates) {
  // Long hostile names would make the quadratic distance slow and match nothing anyway.
  if (name.empty() || name.size() > 100) return "";
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, 2 * (name.size() / 3)) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > 100) continue;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t pos = 0;
  std::size_t bad = 0;
  while (pos < text.size()) {
    std::uint64_t word;
    if (pos + 8 <= text.size()) {
      std::memcpy(&word, text.data() + pos, 8);
      if ((word & 0x8080808080808080ULL) == 0) {
        pos += 8;
        continue;
      }
    }
    const std::size_t length = sequence_length(text, pos, bad);
    if (length == 0) return pos;
    pos += length;
  }
  return std::string_view::npos;
}

bool is_valid_utf8(std::string_view text) {
  return find_invalid_utf8(text) == std::string_view::npos;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const std::size_t invalid = find_invalid_utf8(text);
    out.append(text.substr(0, invalid));
    if (invalid == std::string_view::npos) return out;
    std::size_t bad = 1;
    sequence_length(text, invalid, bad);
    out += "\xEF\xBF\xBD";
    text.remove_prefix(invalid + bad);
  }
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::uint32_t decode_utf8(std::string_view text, std::size_t& pos) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0x80U;
  };
  const std::uint32_t lead = byte(pos);
  if (lead < 0x80) return pos += 1, lead;
  const int extra = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  std::uint32_t code = lead & (0x3FU >> extra);
  for (int i = 1; i <= extra; ++i) {
    code = code << 6 | (byte(pos + static_cast<std::size_t>(i)) & 0x3F);
  }
  pos = std::min(text.size(), pos + 1 + static_cast<std::size_t>(extra));
  return code;
}

std::string without_controls(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    // U+0080 to U+009F are two bytes.
    const bool second_set = byte == 0xC2 && next >= 0x80 && next < 0xA0;
    if (second_set) ++i;
    const bool control = (byte < 0x20 && text[i] != '\n') || byte == 0x7F || second_set;
    out += control ? ' ' : text[i];
  }
  return out;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%";
  const bool plain = !text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos;
  return plain ? std::string(text) : "'" + replace_all(text, "'", "'\\''") + "'";
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
  if (bytes < 1024) return std::to_string(bytes) + kUnits[0];
  return three_digits(static_cast<double>(bytes), 1024, kUnits);
}

namespace {

// Bytes of a unit in lower case; 0 for what is none.
double size_of_unit(std::string_view unit) {
  if (unit.empty() || unit == "b") return 1;
  const std::size_t power = std::string_view("kmgt").find(unit.front());
  const std::string_view rest = unit.substr(1);
  if (power == std::string_view::npos || !(rest.empty() || rest == "ib" || rest == "b")) return 0;
  return std::pow(rest == "b" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
}

}  // namespace

std::optional<std::int64_t> parse_size(std::string_view text) {
  const std::size_t digits = text.find_last_of("0123456789.") + 1;  // 0 where there are none
  const std::optional<double> number = parse_decimal(text.substr(0, digits));
  const double unit = size_of_unit(to_lower_ascii(trim(text.substr(digits))));
  constexpr double kTooLarge = 9223372036854775808.0;  // 2^63
  if (!number || unit == 0 || *number < 0 || *number * unit >= kTooLarge) return std::nullopt;
  return std::llround(*number * unit);
}

std::string format_count(std::uint64_t count) {
  const std::string digits = std::to_string(count);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string format_short_count(std::uint64_t count) {
  constexpr const char* kUnits[] = {"", "K", "M", "B", "T"};
  if (count < 1000) return std::to_string(count);
  return three_digits(static_cast<double>(count), 1000, kUnits);
}

}  // namespace svtune
