// Errors of templates: where a template is wrong, or refuses what it was given.
#pragma once

#include <stdexcept>
#include <string>

#include "base/errors.h"

namespace svtune::jinja {

// A template that cannot be parsed or rendered. Message: "<template>: line N: ...".
class TemplateError : public FileError {
 public:
  TemplateError(const std::string& template_name, int line, const std::string& what,
                std::string hint = "")
      : FileError(template_name, "line " + std::to_string(line) + ": " + what, std::move(hint)),
        line_(line) {}
  int line() const noexcept { return line_; }

 private:
  int line_;
};

// Thrown by operations on values, which know no line; the parser or the interpreter turns it
// into a TemplateError.
class EvalError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace svtune::jinja
