// Splits a template into text and the tokens of its tags, and applies Jinja's white space rules
// (trim_blocks and lstrip_blocks on, `-` and `+` at the tags, one final newline dropped).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace svtune::jinja {

enum class TokenKind {
  kText,
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,
  kInteger,
  kReal,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of strings: the value, escapes resolved
  int line = 1;
  std::int64_t integer = 0;
  double real = 0;
};

// `source` must be valid UTF-8. Throws TemplateError naming `template_name` and the line.
std::vector<Token> tokenize_template(std::string_view source, const std::string& template_name);

// For messages: "'endif'", "end of the template", ...
std::string describe(const Token& token);

}  // namespace svtune::jinja
