#include "jinja/string_literal.h"

#include <cstdint>

#include "base/text_util.h"
#include "jinja/error.h"

namespace svtune::jinja {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::uint32_t read_hex(std::string_view body, std::size_t pos, std::size_t digits) {
  std::uint32_t code = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const int value = pos + i < body.size() ? hex_value(body[pos + i]) : -1;
    if (value < 0) throw EvalError("a string holds a truncated \\x, \\u or \\U escape");
    code = code << 4 | static_cast<std::uint32_t>(value);
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    throw EvalError("a string holds an escape that is not a character");
  }
  return code;
}

// Handles the escape whose letter is body[pos]; returns the position behind it.
std::size_t unescape_one(std::string_view body, std::size_t pos, std::string& out) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"";
  static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
  const char c = body[pos];
  if (const std::size_t which = kLetters.find(c); which != std::string_view::npos) {
    out.push_back(kValues[which]);
    return pos + 1;
  }
  if (c == '\n') return pos + 1;
  if (c == 'x' || c == 'u' || c == 'U') {
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    append_utf8(out, read_hex(body, pos + 1, digits));
    return pos + 1 + digits;
  }
  if (c >= '0' && c <= '7') {
    std::uint32_t code = 0;
    const std::size_t end = pos + 3;
    while (pos < end && pos < body.size() && body[pos] >= '0' && body[pos] <= '7') {
      code = code * 8 + static_cast<std::uint32_t>(body[pos++] - '0');
    }
    append_utf8(out, code);
    return pos;
  }
  if (c == 'N') throw EvalError("a string holds the unsupported escape \\N");
  out.push_back('\\');
  out.push_back(c);
  return pos + 1;
}

}  // namespace

std::string unescape_string(std::string_view body) {
  std::string out;
  out.reserve(body.size());
  for (std::size_t pos = 0; pos < body.size();) {
    if (body[pos] == '\\' && pos + 1 < body.size()) {
      pos = unescape_one(body, pos + 1, out);
    } else {
      out.push_back(body[pos++]);
    }
  }
  return out;
}

}  // namespace svtune::jinja
