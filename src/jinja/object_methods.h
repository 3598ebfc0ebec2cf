// Python's methods of str, dict, list and tuple, and loop.cycle.
#pragma once

#include <optional>
#include <string>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace svtune::jinja {

// The method as a function bound to `self`; nothing when the type has none of that name. Calling
// a method that would change a list or a dict throws EvalError, as in Jinja's immutable sandbox.
std::optional<Value> find_method(const Value& self, const std::string& name);

namespace detail {

using Method = Value (*)(const std::string& name, const Value& self, const Arguments& arguments);
struct MethodEntry {
  std::string_view name;
  Method call;
};

Method find_text_method(std::string_view name);  // object_methods_text.cpp
Method find_container_method(const Value& self, std::string_view name);

}  // namespace detail
}  // namespace svtune::jinja
