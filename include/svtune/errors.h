// What went wrong, for callers that want to tell the kinds of errors apart. Every function of
// svtune reports problems as an exception derived from std::exception; its what() names what was
// got, what is allowed and where.
#pragma once

#include <exception>
#include <string>

namespace svtune {

enum class ErrorKind {
  kUsage,  // an option or a combination of options is wrong
  kFile,   // a file is missing, truncated, malformed or does not fit
  kModel,  // model, adapter and request do not fit together
  kRun,    // the work cannot go on: a value is not finite, memory or disk is short
  kOther,  // not an error of svtune: std::bad_alloc and the like
};

struct ErrorInfo {
  ErrorKind kind = ErrorKind::kOther;
  std::string hint;  // one sentence that names a way out; may be empty
};

ErrorInfo describe_error(const std::exception& error);

}  // namespace svtune
