// "{}".format(value).
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/format.h"
#include "jinja/format_detail.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {

using detail::in_base, detail::kMaxPrecision, detail::magnitude_of, detail::read_number;

namespace {

struct FormatSpec {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  std::size_t width = 0;
  bool commas = false;
  std::optional<std::size_t> precision;
  char type = 0;
};

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

FormatSpec parse_spec(std::string_view spec) {
  FormatSpec out;
  std::size_t pos = 0;
  const std::size_t first = byte_offset(spec, 1);
  if (first < spec.size() && is_align(spec[first])) {
    out.fill = std::string(spec.substr(0, first));
    out.align = spec[first];
    pos = first + 1;
  } else if (!spec.empty() && is_align(spec[0])) {
    out.align = spec[0];
    pos = 1;
  }
  if (pos < spec.size() && (spec[pos] == '+' || spec[pos] == '-' || spec[pos] == ' ')) {
    out.sign = spec[pos++];
  }
  if (pos < spec.size() && spec[pos] == '#') out.alternate = true, ++pos;
  if (pos < spec.size() && spec[pos] == '0') {
    out.zero = true;
    if (out.align == 0) {
      out.fill = "0";
      out.align = '=';
    }
  }
  out.width = read_number(spec, pos).value_or(0);
  if (pos < spec.size() && spec[pos] == ',') out.commas = true, ++pos;
  if (pos < spec.size() && spec[pos] == '.') {
    ++pos;
    out.precision = read_number(spec, pos);
    if (!out.precision) throw EvalError("a format specification lacks its precision");
  }
  if (pos < spec.size()) out.type = spec[pos++];
  if (pos != spec.size()) {
    throw EvalError("unsupported format specification '" + std::string(spec) + "'");
  }
  return out;
}

std::string group_thousands(const std::string& digits) {
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out = digits;
  for (std::size_t place = whole; place > 3;) {
    place -= 3;
    out.insert(place, ",");
  }
  return out;
}

std::string finish_number(const FormatSpec& spec, bool negative, std::string digits) {
  if (spec.commas) digits = group_thousands(digits);
  std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const char align = spec.align == 0 ? '>' : spec.align;
  if (align != '=') return pad(sign + digits, spec.width, spec.fill, align);
  const std::size_t width = spec.width > sign.size() ? spec.width - sign.size() : 0;
  return sign + pad(digits, width, spec.fill, '>');
}

std::string apply_integer_spec(const FormatSpec& spec, std::int64_t value) {
  if (spec.precision) throw EvalError("precision is not allowed for integers");
  const unsigned base = spec.type == 'x' || spec.type == 'X' ? 16
                        : spec.type == 'o'                   ? 8
                        : spec.type == 'b'                   ? 2
                                                             : 10;
  std::string digits = in_base(magnitude_of(value), base, spec.type == 'X');
  if (spec.alternate && base != 10) {
    digits.insert(0, base == 8 ? "0o" : base == 2 ? "0b" : spec.type == 'X' ? "0X" : "0x");
  }
  return finish_number(spec, value < 0, std::move(digits));
}

std::string apply_real_spec(const FormatSpec& spec, double value) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  double magnitude = std::fabs(value);
  if (spec.type == 0 && !spec.precision) {
    return finish_number(spec, negative, python_float(magnitude));
  }
  if (spec.type == 0) throw EvalError("a float format with precision needs a type such as 'f'");
  const int precision =
      static_cast<int>(std::min<std::size_t>(spec.precision.value_or(6), kMaxPrecision));
  if (spec.type == '%') {
    return finish_number(spec, negative, format_real(magnitude * 100, "", precision, 'f') + "%");
  }
  return finish_number(spec, negative,
                       format_real(magnitude, spec.alternate ? "#" : "", precision, spec.type));
}

std::string apply_spec(const Value& value, std::string_view text) {
  if (text.empty()) return to_text(value);
  const FormatSpec spec = parse_spec(text);
  const bool real_type =
      spec.type != 0 && std::string_view("fFeEgG%").find(spec.type) != std::string_view::npos;
  if (value.is_text() || (value.is_bool() && spec.type == 's')) {
    if ((spec.type != 0 && spec.type != 's') || spec.align == '=' || spec.commas ||
        spec.sign != '-') {
      throw EvalError("the format '" + std::string(text) + "' is not for strings");
    }
    std::string bytes = to_text(value);
    if (spec.precision) bytes.resize(byte_offset(bytes, *spec.precision));
    return pad(bytes, spec.width, spec.fill, spec.align == 0 ? '<' : spec.align);
  }
  if (value.is_real() || (value.is_number() && real_type)) {
    return apply_real_spec(spec, require_real(value, "the value"));
  }
  const bool integer_type =
      spec.type == 0 || std::string_view("dxXob").find(spec.type) != std::string_view::npos;
  if (value.is_number() && integer_type) {
    return apply_integer_spec(spec, require_integer(value, "the value"));
  }
  throw EvalError("the format '" + std::string(text) + "' does not fit a " + value.type_name());
}

const Value& field_value(std::string_view field, const Arguments& arguments, std::size_t& next) {
  std::size_t pos = 0;
  std::optional<std::size_t> index;
  if (field.empty()) {
    index = next++;
  } else {
    index = read_number(field, pos);
    if (index && pos != field.size()) index.reset();
  }
  if (index) {
    if (*index < arguments.positional.size()) return arguments.positional[*index];
    throw EvalError("format: there is no argument " + std::to_string(*index));
  }
  for (const auto& [name, value] : arguments.named) {
    if (name == field) return value;
  }
  throw EvalError("format: unsupported or unknown field '{" + std::string(field) + "}'");
}

}  // namespace

std::string format_braces(std::string_view pattern, const Arguments& arguments) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t pos = 0; pos < pattern.size(); ++pos) {
    const char c = pattern[pos];
    const bool doubled = pos + 1 < pattern.size() && pattern[pos + 1] == c;
    if (c != '{' && c != '}') {
      out.push_back(c);
    } else if (doubled) {
      out.push_back(c);
      ++pos;
    } else {
      const std::size_t end = c == '{' ? pattern.find_first_of("{}", pos + 1) : std::string::npos;
      if (end == std::string::npos || pattern[end] == '{') {
        throw EvalError("format: unbalanced or nested braces");
      }
      const std::string_view body = pattern.substr(pos + 1, end - pos - 1);
      const std::size_t colon = body.find(':');
      const Value& value = field_value(body.substr(0, colon), arguments, next);
      require_defined(value);
      out += apply_spec(value, colon == std::string_view::npos ? "" : body.substr(colon + 1));
      check_text_size(static_cast<double>(out.size()));
      pos = end;
    }
  }
  return out;
}

}  // namespace svtune::jinja
