// "%s" % value.
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

using detail::in_base, detail::is_digit, detail::kMaxWidth, detail::magnitude_of,
    detail::read_number;

namespace {

struct Conversion {
  std::string flags;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char letter = 's';
  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

std::int64_t truncated_integer(const Value& value) {
  if (const auto* real = value.get_if<double>()) {
    if (!(std::fabs(*real) < 9.2e18)) throw EvalError("a float is too large for %d");
    return static_cast<std::int64_t>(*real);
  }
  return require_integer(value, "the value of a %d conversion");
}

// Sign and digits of an integer conversion, with precision and zero padding applied.
std::string printf_integer(const Conversion& conversion, const Value& value) {
  const bool decimal =
      conversion.letter == 'd' || conversion.letter == 'i' || conversion.letter == 'u';
  const std::int64_t number =
      decimal ? truncated_integer(value) : require_integer(value, "the value of %x or %o");
  const bool upper = conversion.letter == 'X';
  const unsigned base = decimal ? 10 : conversion.letter == 'o' ? 8 : 16;
  std::string digits = in_base(magnitude_of(number), base, upper);
  const std::size_t precision = std::min<std::size_t>(conversion.precision.value_or(0), kMaxWidth);
  if (digits.size() < precision) digits.insert(0, precision - digits.size(), '0');
  std::string sign = number < 0 ? "-" : conversion.has('+') ? "+" : conversion.has(' ') ? " " : "";
  if (conversion.has('#') && !decimal) sign += base == 8 ? "0o" : upper ? "0X" : "0x";
  if (conversion.has('0') && !conversion.has('-') &&
      sign.size() + digits.size() < conversion.width) {
    digits.insert(0, conversion.width - sign.size() - digits.size(), '0');
  }
  return sign + digits;
}

std::string printf_real(const Conversion& conversion, const Value& value) {
  const double number = require_real(value, "the value of %f, %e or %g");
  std::string flags;
  for (const char flag : std::string_view("+ #")) {
    if (conversion.has(flag)) flags.push_back(flag);
  }
  std::string text =
      format_real(number, flags,
                  static_cast<int>(std::min<std::size_t>(conversion.precision.value_or(6), 1000)),
                  conversion.letter);
  if (conversion.has('0') && !conversion.has('-') && text.size() < conversion.width) {
    const bool has_sign = !text.empty() && !is_digit(text[0]) && std::isfinite(number);
    text.insert(has_sign ? 1 : 0, conversion.width - text.size(), '0');
  }
  return text;
}

std::string printf_value(const Conversion& conversion, const Value& value) {
  switch (conversion.letter) {
    case 's':
    case 'r': {
      std::string text = conversion.letter == 's' ? to_text(value) : repr(value);
      if (!conversion.precision) return text;
      return text.substr(0, byte_offset(text, *conversion.precision));
    }
    case 'c': {
      if (value.is_text() && count_characters(value.as_text()->bytes) == 1) {
        return value.as_text()->bytes;
      }
      const std::int64_t code = require_integer(value, "the value of %c");
      std::string out;
      if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        throw EvalError("%c needs a character");
      }
      append_utf8(out, static_cast<std::uint32_t>(code));
      return out;
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
      return printf_integer(conversion, value);
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
      return printf_real(conversion, value);
    default:
      throw EvalError(std::string("unsupported conversion '%") + conversion.letter + "'");
  }
}

class PrintfValues {
 public:
  explicit PrintfValues(const Value& values) : values_(values) {
    const Sequence* sequence = values.as_sequence();
    if (sequence != nullptr && sequence->kind == SequenceKind::kTuple) tuple_ = sequence;
  }
  Value next() {
    if (tuple_ != nullptr) {
      if (used_ >= tuple_->items.size()) throw EvalError("not enough values for the format");
      return tuple_->items[used_++];
    }
    if (used_++ > 0) throw EvalError("not enough values for the format");
    return values_;
  }
  Value named(const std::string& name) {
    const Dict* dict = values_.as_dict();
    if (dict == nullptr) throw EvalError("a format with %(name) needs a dict");
    const Value* found = dict->find(std::string_view(name));
    if (found == nullptr) throw EvalError("the format names '" + name + "', which is not given");
    mapped_ = true;
    return *found;
  }
  void finish() const {
    // As in Python, a list counts as a mapping, which need not be used.
    const bool mapping =
        values_.as_dict() != nullptr || (tuple_ == nullptr && values_.as_sequence() != nullptr);
    const bool all_used =
        tuple_ != nullptr ? used_ == tuple_->items.size() : used_ == 1 || mapped_ || mapping;
    if (!all_used) throw EvalError("not all values were used by the format");
  }

 private:
  const Value& values_;
  const Sequence* tuple_ = nullptr;
  std::size_t used_ = 0;
  bool mapped_ = false;
};

// A width or precision: digits, or '*' taken from the values.
std::optional<std::size_t> read_size(std::string_view pattern, std::size_t& pos,
                                     PrintfValues& values, Conversion& conversion) {
  if (pos < pattern.size() && pattern[pos] == '*') {
    ++pos;
    std::int64_t size = require_integer(values.next(), "a width of '*'");
    if (size < 0) conversion.flags.push_back('-');
    if (magnitude_of(size) > kMaxWidth) throw EvalError("a width in a format exceeds 100000");
    return static_cast<std::size_t>(magnitude_of(size));
  }
  return read_number(pattern, pos);
}

}  // namespace

std::string format_printf(std::string_view pattern, const Value& values) {
  PrintfValues source(values);
  std::string out;
  for (std::size_t pos = 0; pos < pattern.size();) {
    if (pattern[pos] != '%') {
      out.push_back(pattern[pos++]);
      continue;
    }
    ++pos;
    std::optional<Value> named;
    if (pos < pattern.size() && pattern[pos] == '(') {
      const std::size_t end = pattern.find(')', pos);
      if (end == std::string_view::npos) throw EvalError("a format lacks the ')' of its name");
      named = source.named(std::string(pattern.substr(pos + 1, end - pos - 1)));
      pos = end + 1;
    }
    Conversion conversion;
    while (pos < pattern.size() && std::string_view("-+ #0").find(pattern[pos]) < 5) {
      conversion.flags.push_back(pattern[pos++]);
    }
    conversion.width = read_size(pattern, pos, source, conversion).value_or(0);
    if (pos < pattern.size() && pattern[pos] == '.') {
      ++pos;
      conversion.precision = read_size(pattern, pos, source, conversion).value_or(0);
    }
    if (pos >= pattern.size()) throw EvalError("a format ends within a conversion");
    conversion.letter = pattern[pos++];
    if (conversion.letter == '%') {
      out.push_back('%');
      continue;
    }
    const std::string text = printf_value(conversion, named ? *named : source.next());
    out += pad(text, conversion.width, " ", conversion.has('-') ? '<' : '>');
    check_text_size(static_cast<double>(out.size()));
  }
  source.finish();
  return out;
}

}  // namespace svtune::jinja
