// Python's two ways to fill values into strings: "%s" % value and "{}".format(value).
#pragma once

#include <string>
#include <string_view>

#include "jinja/value.h"

namespace svtune::jinja {

// `pattern % values`: a tuple gives several values, a dict is looked up by %(name)s.
// Conversions s r d i u f F e E g G x X o c %; others throw EvalError.
std::string format_printf(std::string_view pattern, const Value& values);

// `pattern.format(...)` with {}, {0}, {name} and format specifications
// [[fill]align][sign][0][width][,][.precision][s d x X o b f F e E g G %]; attribute access inside
// a field and conversions (!r) throw EvalError.
std::string format_braces(std::string_view pattern, const Arguments& arguments);

// A number as printf prints it, with flags such as "-0+ #".
std::string format_real(double value, std::string_view flags, int precision, char conversion);

// Pads to `width` characters; align is one of '<', '>', '^'.
std::string pad(std::string_view text, std::size_t width, std::string_view fill, char align);

}  // namespace svtune::jinja
