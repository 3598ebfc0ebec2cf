// Arithmetic, indexing and slicing of template values.
#include <cmath>
#include <limits>

#include "jinja/error.h"
#include "jinja/format.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace {

[[noreturn]] void unsupported(std::string_view op, const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  throw EvalError("operator " + std::string(op) + " does not take a " + a.type_name() + " and a " +
                  b.type_name());
}

[[noreturn]] void overflow() { throw EvalError("an integer exceeds 64 bits"); }

// `result` by reference: it is written while `overflowed` is computed.
Value checked(bool overflowed, const std::int64_t& result) {
  if (overflowed) overflow();
  return Value::integer(result);
}

[[noreturn]] void zero_division() { throw EvalError("division by zero"); }

Value integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) zero_division();
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  if (base == 0 || base == 1) return Value::integer(exponent == 0 ? 1 : base);
  if (base == -1) return Value::integer(exponent % 2 == 0 ? 1 : -1);
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) overflow();
  }
  return Value::integer(result);
}

Value integer_math(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (op == "-") return checked(__builtin_sub_overflow(a, b, &result), result);
  if (op == "*") return checked(__builtin_mul_overflow(a, b, &result), result);
  if (op == "**") return integer_power(a, b);
  if (b == 0) zero_division();
  if (op == "/") return Value::real(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {
    if (op == "%") return Value::integer(0);
    return checked(__builtin_sub_overflow(std::int64_t{0}, a, &result), result);
  }
  const std::int64_t remainder = a % b;
  const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
  if (op == "//") return Value::integer(a / b - (adjust ? 1 : 0));
  return Value::integer(adjust ? remainder + b : remainder);
}

Value real_math(std::string_view op, double a, double b) {
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) zero_division();
    const double power = std::pow(a, b);
    if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) {
      throw EvalError("a power is too large");
    }
    if (std::isnan(power) && a < 0) throw EvalError("a power is not a real number");
    return Value::real(power);
  }
  if (b == 0) zero_division();
  if (op == "/") return Value::real(a / b);
  double remainder = std::fmod(a, b);
  if (remainder != 0 && (remainder < 0) != (b < 0)) remainder += b;
  if (op == "%") return Value::real(remainder == 0 ? std::copysign(0.0, b) : remainder);
  double quotient = (a - remainder) / b;
  if (quotient != 0) {
    const double floored = std::floor(quotient);
    quotient = quotient - floored > 0.5 ? floored + 1.0 : floored;
  } else {
    quotient = std::copysign(0.0, a / b);
  }
  return Value::real(quotient);
}

Value repeat(const Value& value, std::int64_t times) {
  if (times < 0) times = 0;
  if (const Text* text = value.as_text()) {
    check_text_size(static_cast<double>(text->bytes.size()) * static_cast<double>(times));
    std::string out;
    out.reserve(text->bytes.size() * static_cast<std::size_t>(times));
    if (!text->bytes.empty()) {
      for (std::int64_t i = 0; i < times; ++i) out += text->bytes;
    }
    return Value::text(std::move(out), text->safe);
  }
  const Sequence& sequence = *value.as_sequence();
  check_item_count(static_cast<double>(sequence.items.size()) * static_cast<double>(times));
  ValueList items;
  if (!sequence.items.empty()) {
    for (std::int64_t i = 0; i < times; ++i) {
      items.insert(items.end(), sequence.items.begin(), sequence.items.end());
    }
  }
  return Value::sequence(sequence.kind, std::move(items));
}

bool repeatable(const Value& value) {
  const Sequence* sequence = value.as_sequence();
  return value.is_text() || (sequence != nullptr && (sequence->kind == SequenceKind::kList ||
                                                     sequence->kind == SequenceKind::kTuple));
}

bool is_whole(const Value& value) { return value.is_integer() || value.is_bool(); }

struct Range {
  std::int64_t start, stop, step;
};

std::int64_t clamp_bound(const Value& bound, std::int64_t fallback, std::int64_t size, bool down) {
  if (bound.is_none()) return fallback;
  std::int64_t index = require_integer(bound, "a slice bound");
  if (index < 0) {
    index = index < -size ? (down ? -1 : 0) : index + size;
    return index;
  }
  return index >= size ? (down ? size - 1 : size) : index;
}

Range resolve(const SliceBounds& bounds, std::int64_t size) {
  const std::int64_t step =
      bounds.step.is_none() ? 1 : require_integer(bounds.step, "a slice step");
  if (step == 0) throw EvalError("a slice step cannot be zero");
  const bool down = step < 0;
  return {clamp_bound(bounds.start, down ? size - 1 : 0, size, down),
          clamp_bound(bounds.stop, down ? -1 : size, size, down), step};
}

template <typename Visit>
void for_each_index(const Range& range, Visit visit) {
  const bool down = range.step < 0;
  for (std::int64_t i = range.start; down ? i > range.stop : i < range.stop;) {
    visit(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, range.step, &i)) break;
  }
}

Value missing_item(const Value& value, const Value& index) {
  const std::string name = index.is_text() ? index.as_text()->bytes : "index " + to_text(index);
  return Value::undefined(std::string("a ") + value.type_name() + " has no item '" + name + "'");
}

}  // namespace

Value add(const Value& a, const Value& b) {
  if (is_whole(a) && is_whole(b)) {
    std::int64_t sum = 0;
    const bool overflowed =
        __builtin_add_overflow(require_integer(a, ""), require_integer(b, ""), &sum);
    return checked(overflowed, sum);
  }
  if (a.is_number() && b.is_number()) {
    return Value::real(require_real(a, "") + require_real(b, ""));
  }
  if (a.is_text() && b.is_text()) {
    const Text& left = *a.as_text();
    const Text& right = *b.as_text();
    check_text_size(static_cast<double>(left.bytes.size() + right.bytes.size()));
    if (left.safe == right.safe) return Value::text(left.bytes + right.bytes, left.safe);
    return Value::text((left.safe ? left.bytes : escape_html(left.bytes)) +
                           (right.safe ? right.bytes : escape_html(right.bytes)),
                       true);
  }
  if (repeatable(a) && repeatable(b) && !a.is_text() && !b.is_text() &&
      a.as_sequence()->kind == b.as_sequence()->kind) {
    ValueList items = a.as_sequence()->items;
    const ValueList& more = b.as_sequence()->items;
    check_item_count(static_cast<double>(items.size() + more.size()));
    items.insert(items.end(), more.begin(), more.end());
    return Value::sequence(a.as_sequence()->kind, std::move(items));
  }
  unsupported("+", a, b);
}

Value arithmetic(std::string_view op, const Value& a, const Value& b) {
  if (op == "%" && a.is_text()) return Value::text(format_printf(a.as_text()->bytes, b));
  if (op == "*" && repeatable(a) && is_whole(b)) return repeat(a, require_integer(b, ""));
  if (op == "*" && repeatable(b) && is_whole(a)) return repeat(b, require_integer(a, ""));
  if (is_whole(a) && is_whole(b)) {
    return integer_math(op, require_integer(a, ""), require_integer(b, ""));
  }
  if (!a.is_number() || !b.is_number()) unsupported(op, a, b);
  return real_math(op, require_real(a, ""), require_real(b, ""));
}

Value negate(const Value& value) {
  if (const auto* real = value.get_if<double>()) return Value::real(-*real);
  const std::int64_t integer = require_integer(value, "the operand of -");
  if (integer == std::numeric_limits<std::int64_t>::min()) overflow();
  return Value::integer(-integer);
}

Value item_named(const Value& value, const std::string& name) {
  if (const Dict* dict = value.as_dict()) {
    if (const Value* found = dict->find(std::string_view(name))) return *found;
  }
  if (const Namespace* space = value.as_namespace()) {
    for (const auto& [key, item] : space->attributes) {
      if (key == name) return item;
    }
  }
  require_defined(value);
  return Value::undefined(std::string("a ") + value.type_name() + " has no attribute '" + name +
                          "'");
}

Value subscript(const Value& value, const Value& index) {
  require_defined(value);
  if (const Dict* dict = value.as_dict()) {
    const Value* found = dict->find(index);
    return found == nullptr ? missing_item(value, index) : *found;
  }
  if (value.as_namespace() != nullptr && index.is_text()) {
    return item_named(value, index.as_text()->bytes);
  }
  if (!is_whole(index)) return missing_item(value, index);
  std::int64_t place = require_integer(index, "an index");
  if (const Text* text = value.as_text()) {
    const auto size = static_cast<std::int64_t>(count_characters(text->bytes));
    if (place < 0) place += size;
    if (place < 0 || place >= size) return missing_item(value, index);
    const std::size_t start = byte_offset(text->bytes, static_cast<std::size_t>(place));
    const std::size_t bytes = byte_offset(std::string_view(text->bytes).substr(start), 1);
    return Value::text(text->bytes.substr(start, bytes));
  }
  const Sequence* sequence = value.as_sequence();
  const bool indexable = sequence != nullptr && sequence->kind != SequenceKind::kGenerator &&
                         sequence->kind != SequenceKind::kView;
  if (!indexable) return missing_item(value, index);
  const auto size = static_cast<std::int64_t>(sequence->items.size());
  if (place < 0) place += size;
  if (place < 0 || place >= size) return missing_item(value, index);
  return sequence->items[static_cast<std::size_t>(place)];
}

Value slice(const Value& value, const SliceBounds& bounds) {
  require_defined(value);
  if (const Text* text = value.as_text()) {
    const std::u32string characters = to_characters(text->bytes);
    std::u32string out;
    for_each_index(resolve(bounds, static_cast<std::int64_t>(characters.size())),
                   [&](std::size_t i) { out.push_back(characters[i]); });
    return Value::text(from_characters(out), text->safe);
  }
  const Sequence* sequence = value.as_sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kGenerator ||
      sequence->kind == SequenceKind::kView) {
    throw EvalError(std::string("a ") + value.type_name() + " cannot be sliced");
  }
  ValueList items;
  for_each_index(resolve(bounds, static_cast<std::int64_t>(sequence->items.size())),
                 [&](std::size_t i) { items.push_back(sequence->items[i]); });
  return Value::sequence(sequence->kind, std::move(items));
}

}  // namespace svtune::jinja
