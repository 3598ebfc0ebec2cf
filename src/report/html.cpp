#include "report/html.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <string_view>

#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

// "5e-5", "1.5e-4".
std::string exponential(double value) {
  const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9));
  return general(value / std::pow(10.0, exponent), 3) + "e" + std::to_string(exponent);
}

struct TickUnit {
  double size;
  const char* suffix;
};

TickUnit tick_unit(double largest, NumberStyle style) {
  if (style == NumberStyle::kPercent) return {0.01, " %"};
  if (style == NumberStyle::kRate && largest >= 1e6) return {1e6, "M"};
  if (style == NumberStyle::kRate && largest >= 1e4) return {1e3, "K"};
  if (style != NumberStyle::kBytes) return {1, ""};
  static constexpr const char* kSuffixes[] = {" B", " KiB", " MiB", " GiB", " TiB"};
  std::size_t power = 0;
  double size = 1;
  for (; power < 4 && largest >= size * 1024; ++power) size *= 1024;
  return {size, kSuffixes[power]};
}

}  // namespace

void require_page_place(const std::filesystem::path& path) {
  constexpr std::string_view kPage = "<!doctype html";
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) return;
  std::array<char, kPage.size()> start{};
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), start.size());
  const std::string_view got(start.data(), static_cast<std::size_t>(file.gcount()));
  if (got.empty() || to_lower_ascii(got) == kPage) return;
  throw FileError(path.string(), "exists already and is no HTML page", "Choose another --output.");
}

std::string escape_html(std::string_view text) {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\0':
        out += "\uFFFD";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_script_json(std::string_view json) {
  std::string out = replace_all(json, "<", "\\u003c");
  out = replace_all(out, "\u2028", "\\u2028");
  return replace_all(out, "\u2029", "\\u2029");
}

std::string_view number_style_name(NumberStyle style) {
  static constexpr std::string_view kNames[] = {"plain", "scientific", "rate", "bytes", "percent"};
  return kNames[static_cast<std::size_t>(style)];
}

std::string format_quantity(double value, NumberStyle style) {
  if (!std::isfinite(value)) return "not finite";
  switch (style) {
    case NumberStyle::kScientific:
      return general(value, 3);
    case NumberStyle::kRate:
      return value < 0 ? general(value, 4)
                       : format_count(static_cast<std::uint64_t>(std::llround(value)));
    case NumberStyle::kBytes:
      return format_bytes(value < 0 ? 0 : static_cast<std::uint64_t>(value));
    case NumberStyle::kPercent:
      return percent(value);
    case NumberStyle::kPlain:
      break;
  }
  const double size = std::abs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e6)) return general(value, 3);
  return fixed(value, size < 1 ? 4 : size < 100 ? 3 : 1);
}

std::vector<std::string> format_ticks(const std::vector<double>& ticks, NumberStyle style) {
  double largest = 0;
  for (const double tick : ticks) largest = std::max(largest, std::abs(tick));
  const TickUnit unit = tick_unit(largest, style);
  const double step = ticks.size() > 1 ? std::abs(ticks[1] - ticks[0]) / unit.size : 1;
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
  const bool tiny = style != NumberStyle::kBytes && largest > 0 && largest < 0.01;
  std::vector<std::string> out;
  for (const double tick : ticks) {
    if (tick == 0) {
      out.push_back("0");
    } else {
      out.push_back((tiny ? exponential(tick) : fixed(tick / unit.size, decimals)) + unit.suffix);
    }
  }
  return out;
}

std::string format_share(std::int64_t part, std::int64_t whole) {
  if (whole <= 0) return "";
  const double percentage = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  const std::string number = percentage >= 9.995   ? fixed(percentage, 1)
                             : percentage >= 0.995 ? fixed(percentage, 2)
                                                   : general(percentage, 3);
  return number + " %";
}

std::string swatch(std::size_t run) {
  return "<i class=\"swatch run-" + std::to_string(run % 8) + "\"></i>";
}

std::string percent_text(double share) { return format_quantity(share, NumberStyle::kPercent); }

std::string coordinate(double value, int digits) {
  std::string text = fixed(value, digits);
  if (text.find('.') != std::string::npos) {
    while (text.ends_with('0')) text.pop_back();
    if (text.ends_with('.')) text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

}  // namespace svtune
