#include "jinja/filters.h"

#include <algorithm>
#include <charconv>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace {

detail::FilterFunction find_filter(std::string_view name) {
  for (const auto* table : {&detail::text_filters(), &detail::number_filters(),
                            &detail::sequence_filters(), &detail::select_filters()}) {
    for (const detail::FilterEntry& entry : *table) {
      if (entry.name == name) return entry.apply;
    }
  }
  return nullptr;
}

}  // namespace

bool is_filter(std::string_view name) { return find_filter(name) != nullptr; }

Value apply_filter(Runtime& runtime, const std::string& name, const Value& value,
                   const Arguments& arguments) {
  const detail::FilterFunction apply = find_filter(name);
  if (apply == nullptr) throw EvalError("unsupported filter '" + name + "'");
  runtime.spend_on(value);
  return apply({runtime, name, value, arguments});
}

namespace detail {

Value lookup_path(const Value& item, const Value& attribute, const Value* fallback) {
  if (!attribute.is_text()) return subscript(item, attribute);
  Value current = item;
  for (const std::string_view part : split(attribute.as_text()->bytes, '.')) {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool numeric =
        !part.empty() && error == std::errc() && part[0] != '-' && end == part.data() + part.size();
    current = subscript(current, numeric ? Value::integer(index) : Value::text(std::string(part)));
    if (current.is_undefined() && fallback != nullptr) current = *fallback;
  }
  return current;
}

Value ignore_case(const Value& value) {
  const Text* text = value.as_text();
  return text == nullptr ? value : Value::text(to_lower(text->bytes));
}

}  // namespace detail
}  // namespace svtune::jinja
