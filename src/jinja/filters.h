// The filters (`value | name(...)`) and tests (`value is name(...)`) of the template language.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace svtune::jinja {

bool is_filter(std::string_view name);
bool is_test(std::string_view name);

// Throw EvalError for unknown names and for values or arguments that do not fit.
Value apply_filter(Runtime& runtime, const std::string& name, const Value& value,
                   const Arguments& arguments);
bool apply_test(Runtime& runtime, const std::string& name, const Value& value,
                const Arguments& arguments);

namespace detail {

struct FilterCall {
  Runtime& runtime;
  const std::string& name;
  const Value& value;
  const Arguments& arguments;
};
using FilterFunction = Value (*)(const FilterCall&);
struct FilterEntry {
  std::string_view name;
  FilterFunction apply;
};

const std::vector<FilterEntry>& text_filters();      // filters_text.cpp
const std::vector<FilterEntry>& number_filters();    // filters_number.cpp
const std::vector<FilterEntry>& sequence_filters();  // filters_sequence.cpp
const std::vector<FilterEntry>& select_filters();    // filters_select.cpp

// item["a"]["b"] for the attribute "a.b"; integers index. `fallback` (may be null) stands for a
// missing one.
Value lookup_path(const Value& item, const Value& attribute, const Value* fallback = nullptr);
// Text in lower case; other values as they are.
Value ignore_case(const Value& value);

}  // namespace detail
}  // namespace svtune::jinja
