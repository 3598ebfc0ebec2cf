// Python's operations on template values: truth, equality, order, str, repr, JSON, iteration,
// arithmetic, indexing. All throw EvalError where Python raises TypeError, ValueError,
// ZeroDivisionError or Jinja's UndefinedError, and when a result would be too large.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace svtune::jinja {

// Largest string that a template may build, in bytes.
inline constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;
// Largest list that an operation may build.
inline constexpr std::size_t kMaxItems = 4'000'000;

void check_text_size(double bytes);
void check_item_count(double items);

bool truthy(const Value& value);
// Negative, zero, positive; for numbers, strings, lists and tuples only.
int compare(const Value& a, const Value& b);
bool contains(const Value& container, const Value& item);

// str(value); undefined is "".
std::string to_text(const Value& value);
std::string repr(const Value& value);

struct JsonFormat {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // text of one level
  std::optional<std::string> item_separator;
  std::string key_separator = ": ";
};
// json.dumps(value).
std::string to_json_text(const Value& value, const JsonFormat& format);

// The items that a for loop sees: of a sequence, the keys of a dict, the characters of a
// string. A generator is used up.
std::shared_ptr<const Sequence> iterate(const Value& value);
bool is_iterable(const Value& value);
// len(value); nothing for kinds without a length.
std::optional<std::size_t> length(const Value& value);

// Throws for undefined values, with the reason.
void require_defined(const Value& value);
std::int64_t require_integer(const Value& value, std::string_view what);
double require_real(const Value& value, std::string_view what);
const std::string& require_text(const Value& value, std::string_view what);

Value add(const Value& a, const Value& b);
// `op` is one of "-", "*", "/", "//", "%", "**".
Value arithmetic(std::string_view op, const Value& a, const Value& b);
Value negate(const Value& value);
// value[index]: undefined when there is no such item.
Value subscript(const Value& value, const Value& index);
// value.name without methods: undefined when there is no such item.
Value item_named(const Value& value, const std::string& name);
struct SliceBounds {
  Value start, stop, step;
};
Value slice(const Value& value, const SliceBounds& bounds);

// `&`, `<`, `>`, `'` and `"` as HTML entities.
std::string escape_html(std::string_view text);

}  // namespace svtune::jinja
