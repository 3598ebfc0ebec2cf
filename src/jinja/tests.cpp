// Tests: `value is name(...)`.
#include <algorithm>
#include <functional>

#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace {

using UnaryTest = bool (*)(const Value&);
using BinaryTest = bool (*)(const Value&, const Value&);

bool is_function(const Value& value) { return value.as_function() != nullptr; }

bool is_sequence(const Value& value) {
  if (const Sequence* sequence = value.as_sequence()) {
    return sequence->kind != SequenceKind::kGenerator && sequence->kind != SequenceKind::kView;
  }
  return value.is_text() || value.as_dict() != nullptr || value.is_undefined();
}

std::int64_t modulo(const Value& value, std::int64_t divisor) {
  const std::int64_t integer = require_integer(value, "the value of a test of divisibility");
  if (divisor == 0) throw EvalError("division by zero");
  return divisor == -1 ? 0 : integer % divisor;
}

// str.islower() or str.isupper(): some cased character, and none of the other case.
bool has_case(const Value& value, bool upper) {
  bool found = false;
  for (const char32_t c : to_characters(to_text(value))) {
    if (upper ? is_lower(c) : is_upper(c)) return false;
    found = found || (upper ? is_upper(c) : is_lower(c));
  }
  return found;
}

bool same_object(const Value& a, const Value& b) {
  if (a.storage().index() != b.storage().index()) return false;
  if (a.as_sequence() != nullptr) return a.as_sequence() == b.as_sequence();
  if (a.as_dict() != nullptr) return a.as_dict() == b.as_dict();
  return equal(a, b);
}

struct UnaryEntry {
  std::string_view name;
  UnaryTest test;
};
struct BinaryEntry {
  std::string_view name;
  BinaryTest test;
};

const UnaryEntry kUnary[] = {
    {"boolean", [](const Value& v) { return v.is_bool(); }},
    {"callable", is_function},
    {"defined", [](const Value& v) { return !v.is_undefined(); }},
    {"escaped", [](const Value& v) { return v.is_text() && v.as_text()->safe; }},
    {"even", [](const Value& v) { return modulo(v, 2) == 0; }},
    {"false", [](const Value& v) { return v.is_bool() && !truthy(v); }},
    {"filter", [](const Value& v) { return is_filter(require_text(v, "the name of a filter")); }},
    {"float", [](const Value& v) { return v.is_real(); }},
    {"integer", [](const Value& v) { return v.is_integer(); }},
    {"iterable", is_iterable},
    {"lower", [](const Value& v) { return has_case(v, false); }},
    {"mapping", [](const Value& v) { return v.as_dict() != nullptr; }},
    {"none", [](const Value& v) { return v.is_none(); }},
    {"number", [](const Value& v) { return v.is_number(); }},
    {"odd", [](const Value& v) { return modulo(v, 2) != 0; }},
    {"sequence", is_sequence},
    {"string", [](const Value& v) { return v.is_text(); }},
    {"test", [](const Value& v) { return is_test(require_text(v, "the name of a test")); }},
    {"true", [](const Value& v) { return v.is_bool() && truthy(v); }},
    {"undefined", [](const Value& v) { return v.is_undefined(); }},
    {"upper", [](const Value& v) { return has_case(v, true); }},
};

bool test_equal(const Value& a, const Value& b) { return equal(a, b); }
bool test_unequal(const Value& a, const Value& b) { return !equal(a, b); }
bool test_less(const Value& a, const Value& b) { return compare(a, b) < 0; }
bool test_less_equal(const Value& a, const Value& b) { return compare(a, b) <= 0; }
bool test_greater(const Value& a, const Value& b) { return compare(a, b) > 0; }
bool test_greater_equal(const Value& a, const Value& b) { return compare(a, b) >= 0; }

const BinaryEntry kBinary[] = {
    {"==", test_equal},
    {"eq", test_equal},
    {"equalto", test_equal},
    {"!=", test_unequal},
    {"ne", test_unequal},
    {"<", test_less},
    {"lt", test_less},
    {"lessthan", test_less},
    {"<=", test_less_equal},
    {"le", test_less_equal},
    {">", test_greater},
    {"gt", test_greater},
    {"greaterthan", test_greater},
    {">=", test_greater_equal},
    {"ge", test_greater_equal},
    {"in", [](const Value& a, const Value& b) { return contains(b, a); }},
    {"sameas", same_object},
    {"divisibleby",
     [](const Value& a, const Value& b) {
       return modulo(a, require_integer(b, "the divisor")) == 0;
     }},
};

UnaryTest find_unary(std::string_view name) {
  const auto place = std::find_if(std::begin(kUnary), std::end(kUnary),
                                  [&](const UnaryEntry& entry) { return entry.name == name; });
  return place == std::end(kUnary) ? nullptr : place->test;
}

BinaryTest find_binary(std::string_view name) {
  const auto place = std::find_if(std::begin(kBinary), std::end(kBinary),
                                  [&](const BinaryEntry& entry) { return entry.name == name; });
  return place == std::end(kBinary) ? nullptr : place->test;
}

}  // namespace

bool is_test(std::string_view name) {
  return find_unary(name) != nullptr || find_binary(name) != nullptr;
}

bool apply_test(Runtime& runtime, const std::string& name, const Value& value,
                const Arguments& arguments) {
  runtime.spend(1);
  const std::size_t given = arguments.positional.size() + arguments.named.size();
  if (const UnaryTest test = find_unary(name)) {
    if (given != 0) throw EvalError("the test '" + name + "' takes no arguments");
    return test(value);
  }
  const BinaryTest test = find_binary(name);
  if (test == nullptr) throw EvalError("unsupported test '" + name + "'");
  if (given != 1 || arguments.positional.size() != 1) {
    throw EvalError("the test '" + name + "' takes one argument");
  }
  return test(value, arguments.positional[0]);
}

}  // namespace svtune::jinja
