// Escapes in the string literals of templates (those of Python's unicode-escape codec).
#pragma once

#include <string>
#include <string_view>

namespace svtune::jinja {

// Resolves \n \t \\ \' \" \a \b \f \v \r, octal, \xHH, \uHHHH, \UHHHHHHHH and an escaped
// newline; other escapes stay as they are. Throws EvalError for malformed ones and for \N.
std::string unescape_string(std::string_view body);

}  // namespace svtune::jinja
