// JSON writer with the spelling of Python's json.dumps, so that files compare equal to what
// Hugging Face tools write.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "base/json.h"
#include "base/text_util.h"

namespace svtune {
namespace {

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  void value(const Json& json, int depth) {
    switch (json.type()) {
      case Json::value_t::object:
        return object(json, depth);
      case Json::value_t::array:
        return array(json, depth);
      case Json::value_t::string:
        return string(json.get_ref<const std::string&>());
      case Json::value_t::number_float:
        out_ += python_float(json.get<double>());
        return;
      default:
        out_ += json.dump();
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void separator(bool first, int depth) {
    if (!first) out_ += style_.indent < 0 ? ", " : ",";
    new_line(depth);
  }

  void new_line(int depth) {
    if (style_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(style_.indent) * static_cast<std::size_t>(depth), ' ');
  }

  void array(const Json& json, int depth) {
    if (json.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    bool first = true;
    for (const Json& item : json) {
      separator(first, depth + 1);
      first = false;
      value(item, depth + 1);
    }
    new_line(depth);
    out_ += ']';
  }

  void object(const Json& json, int depth) {
    if (json.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const Json::object_t::value_type*> items;
    for (const auto& item : json.get_ref<const Json::object_t&>()) items.push_back(&item);
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [](auto* a, auto* b) { return a->first < b->first; });
    }
    out_ += '{';
    bool first = true;
    for (const auto* item : items) {
      separator(first, depth + 1);
      first = false;
      string(item->first);
      out_ += ": ";
      value(item->second, depth + 1);
    }
    new_line(depth);
    out_ += '}';
  }

  void string(const std::string& raw) {
    const std::string text = replace_invalid_utf8(raw);
    out_ += '"';
    for (std::size_t i = 0; i < text.size();) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c >= 0x80 && style_.ensure_ascii) {
        escape_code_point(decode_utf8(text, i));
        continue;
      }
      ++i;
      character(c);
    }
    out_ += '"';
  }

  void character(unsigned char c) {
    constexpr std::string_view kFrom = "\"\\\b\f\n\r\t";
    constexpr std::string_view kTo = "\"\\bfnrt";
    if (const auto i = kFrom.find(static_cast<char>(c)); i != std::string_view::npos) {
      out_ += '\\';
      out_ += kTo[i];
    } else if (c < 0x20) {
      escape_unit(c);
    } else {
      out_ += static_cast<char>(c);
    }
  }

  void escape_code_point(std::uint32_t code) {
    if (code >= 0x10000) {
      escape_unit(0xD800 + ((code - 0x10000) >> 10));
      escape_unit(0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      escape_unit(code);
    }
  }

  void escape_unit(std::uint32_t unit) {
    constexpr char kHex[] = "0123456789abcdef";
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += kHex[(unit >> shift) & 15];
  }

  JsonStyle style_;
  std::string out_;
};

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(end.ptr - buffer));
  const std::size_t e = text.find('e');
  const std::string sign = text.front() == '-' ? "-" : "";
  std::string digits;
  for (char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  int exponent = 0;
  const std::size_t skip_plus = text[e + 1] == '+' ? 2 : 1;
  std::from_chars(text.data() + e + skip_plus, text.data() + text.size(), exponent);
  // Python switches to the exponent form outside 1e-4 <= |x| < 1e16.
  if (exponent < -4 || exponent >= 16) {
    std::string mantissa = digits.substr(0, 1);
    if (digits.size() > 1) mantissa += "." + digits.substr(1);
    const std::string power = std::to_string(std::abs(exponent));
    return sign + mantissa + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0) {
    return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string dump_json(const Json& value, const JsonStyle& style) {
  Writer writer(style);
  writer.value(value, 0);
  std::string text = writer.take();
  if (style.final_newline) text += '\n';
  return text;
}

std::string dump_json(const Json& value, int indent) {
  JsonStyle style;
  style.indent = indent;
  return dump_json(value, style);
}

}  // namespace svtune
