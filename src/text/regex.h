// Regular expressions of tokenizer.json: written for Oniguruma (Ruby syntax), matched by PCRE2
// with Unicode properties and its just-in-time compiler. Patterns are untrusted: length, match
// steps and memory are limited.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "text/function_ref.h"

namespace svtune {

struct MatchRange {
  std::size_t begin;
  std::size_t end;  // may equal begin
};

// Immutable and thread-safe; copies share the compiled program.
class Regex {
 public:
  // `pattern` in Oniguruma's syntax. Throws FileError naming `file` when it is malformed or
  // uses a construct that PCRE2 does not have.
  Regex(std::string_view pattern, const std::string& file);

  // A pattern that matches exactly this text.
  static Regex literal(std::string_view text, const std::string& file);

  // Calls `found` for every match from left to right, without overlap. Requires: valid UTF-8.
  // Throws RunError when the text needs more steps than the limit.
  void for_each_match(std::string_view text, FunctionRef<void(MatchRange)> found) const;

 private:
  Regex() = default;
  void compile(const std::string& translated, std::string_view pattern, const std::string& file);

  struct Program;
  std::shared_ptr<const Program> program_;
};

// The PCRE2 pattern with the meaning of an Oniguruma pattern. Throws FileError naming the
// construct that has no equivalent.
std::string translate_oniguruma(std::string_view pattern, const std::string& file);

}  // namespace svtune
