// Filters on numbers.
#include <cmath>

#include "base/number_text.h"
#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/number_parse.h"
#include "jinja/value_ops.h"

namespace svtune::jinja::detail {
namespace {

Value abs_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  if (const auto* real = call.value.get_if<double>()) return Value::real(std::fabs(*real));
  const std::int64_t integer = require_integer(call.value, "the value of abs");
  return integer < 0 ? negate(Value::integer(integer)) : Value::integer(integer);
}

Value int_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"default", "base"});
  Value fallback = bound[0] == nullptr ? Value::integer(0) : *bound[0];
  const Value& value = call.value;
  std::optional<double> real;
  require_defined(value);
  if (const Text* text = value.as_text()) {
    const auto integer = parse_integer(text->bytes, static_cast<int>(bound.integer(1, 10)));
    if (integer) return Value::integer(*integer);
    real = parse_real(text->bytes);
  } else if (value.is_number()) {
    real = require_real(value, "the value of int");
    if (!value.is_real()) return Value::integer(require_integer(value, "the value of int"));
  }
  if (!real || !std::isfinite(*real)) return fallback;
  if (!(std::fabs(*real) < 9.2e18)) throw EvalError("int: the number exceeds 64 bits");
  return Value::integer(static_cast<std::int64_t>(*real));
}

Value float_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"default"});
  const Value fallback = bound[0] == nullptr ? Value::real(0) : *bound[0];
  require_defined(call.value);
  if (call.value.is_number()) return Value::real(require_real(call.value, "the value of float"));
  const Text* text = call.value.as_text();
  const std::optional<double> real = text == nullptr ? std::nullopt : parse_real(text->bytes);
  return real ? Value::real(*real) : fallback;
}

// Correctly rounded, halves to even in the binary value, as Python's round().
double round_real(double value, std::int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < 0) {
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(value / unit) * unit;
  }
  return parse_decimal(fixed(value, static_cast<int>(precision))).value();
}

Value round_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"precision", "method"});
  const std::int64_t precision = bound.integer(0, 0);
  const std::string method = bound.text(1, "common");
  const double value = require_real(call.value, "the value of round");
  if (method == "common") {
    if (call.value.is_real()) return Value::real(round_real(value, precision));
    const std::int64_t integer = require_integer(call.value, "the value of round");
    if (precision >= 0) return Value::integer(integer);
    return Value::integer(static_cast<std::int64_t>(round_real(value, precision)));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return Value::real(std::ceil(value * scale) / scale);
  if (method == "floor") return Value::real(std::floor(value * scale) / scale);
  throw EvalError("round: the method must be common, ceil or floor, got '" + method + "'");
}

}  // namespace

const std::vector<FilterEntry>& number_filters() {
  static const std::vector<FilterEntry> entries{
      {"abs", abs_filter}, {"float", float_filter}, {"int", int_filter}, {"round", round_filter}};
  return entries;
}

}  // namespace svtune::jinja::detail
