#include "jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/number_text.h"
#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/format_detail.h"
#include "jinja/string_literal.h"
#include "jinja/unicode.h"

namespace svtune::jinja {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out.push_back(source[i]);
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

using detail::is_digit;

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  Lexer(std::string_view source, const std::string& name)
      : source_(normalize_newlines(source)), name_(name) {}

  std::vector<Token> run() {
    while (pos_ < source_.size()) lex_text();
    push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(int line, const std::string& what) const {
    throw TemplateError(name_, line, what);
  }

  void push(TokenKind kind, std::string text) {
    Token token;
    token.kind = kind;
    token.text = std::move(text);
    token.line = line_;
    tokens_.push_back(std::move(token));
  }

  bool at(std::string_view text) const {
    return std::string_view(source_).substr(pos_, text.size()) == text;
  }

  // Moves on and counts lines.
  void advance(std::size_t count) {
    const std::size_t end = std::min(pos_ + count, source_.size());
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    if (end > pos_) line_starting_ = source_[end - 1] == '\n';
    pos_ = end;
  }

  void skip_space() {
    while (pos_ < source_.size()) {
      std::size_t next = pos_;
      if (!is_space(decode_utf8(source_, next))) return;
      advance(next - pos_);
    }
  }

  std::size_t find_tag() const {
    for (std::size_t i = pos_; i + 1 < source_.size(); ++i) {
      if (source_[i] == '{' &&
          (source_[i + 1] == '%' || source_[i + 1] == '{' || source_[i + 1] == '#')) {
        return i;
      }
    }
    return kNone;
  }

  // Text before a tag, with the white space removed that the tag's sign or lstrip_blocks ask for.
  void push_text(std::string_view text, char sign, bool is_variable) {
    if (sign == '-') {
      text = strip_right(text);
    } else if (sign != '+' && !is_variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t start = newline == kNone ? 0 : newline + 1;
      if ((start > 0 || line_starting_) && strip_left(text.substr(start)).empty()) {
        text = text.substr(0, start);
      }
    }
    if (!text.empty()) push(TokenKind::kText, std::string(text));
  }

  void lex_text() {
    const std::size_t tag = find_tag();
    const std::string_view rest = std::string_view(source_).substr(pos_);
    if (tag == kNone) {
      push(TokenKind::kText, std::string(rest));
      pos_ = source_.size();
      return;
    }
    const std::string_view text = rest.substr(0, tag - pos_);
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    const bool signed_tag = sign == '-' || sign == '+';
    push_text(text, sign, kind == '{');
    advance(text.size() + 2 + (signed_tag ? 1 : 0));
    line_starting_ = false;
    if (kind == '#') {
      skip_comment();
    } else if (kind == '{') {
      push(TokenKind::kVariableBegin, "{{");
      lex_tag("}}", TokenKind::kVariableEnd);
    } else if (!lex_raw()) {
      push(TokenKind::kBlockBegin, "{%");
      lex_tag("%}", TokenKind::kBlockEnd);
    }
  }

  void skip_comment() {
    const int start = line_;
    const std::size_t end = source_.find("#}", pos_);
    if (end == kNone) fail(start, "a comment is not closed: '#}' is missing");
    const char sign = end > pos_ ? source_[end - 1] : ' ';
    advance(end + 2 - pos_);
    finish_block(sign);
  }

  // White space after the end of a block or comment tag.
  void finish_block(char sign) {
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && at("\n")) {
      advance(1);
    }
  }

  // Consumes a word with white space around it, for the raw tags.
  bool accept_raw_word(std::string_view word) {
    skip_space();
    if (!at(word)) return false;
    advance(word.size());
    skip_space();
    return true;
  }

  bool lex_raw() {
    const std::size_t start = pos_;
    const int start_line = line_;
    if (accept_raw_word("raw") && (at("%}") || at("-%}"))) {
      const bool strip = at("-%}");
      advance(strip ? 3 : 2);
      line_starting_ = false;
      if (strip) skip_space();
      lex_raw_body(start_line);
      return true;
    }
    pos_ = start;
    line_ = start_line;
    line_starting_ = false;
    return false;
  }

  void lex_raw_body(int start_line) {
    const std::size_t body = pos_;
    const int body_line = line_;
    const bool body_line_starting = line_starting_;
    for (std::size_t tag = source_.find("{%", pos_); tag != kNone;
         tag = source_.find("{%", tag + 1)) {
      pos_ = body;
      line_ = body_line;
      advance(tag + 2 - body);
      const char sign = at("-") || at("+") ? source_[pos_] : ' ';
      if (sign != ' ') advance(1);
      if (!accept_raw_word("endraw")) continue;
      const char end_sign = at("-%}") || at("+%}") ? source_[pos_] : ' ';
      if (end_sign == ' ' && !at("%}")) continue;
      line_starting_ = body_line_starting;
      push_text(std::string_view(source_).substr(body, tag - body), sign, false);
      advance(end_sign == ' ' ? 2 : 3);
      finish_block(end_sign);
      return;
    }
    fail(start_line, "a raw block is not closed: '{% endraw %}' is missing");
  }

  bool lex_end(std::string_view end, TokenKind kind) {
    const bool block = kind == TokenKind::kBlockEnd;
    const char sign = at("-") || (block && at("+")) ? source_[pos_] : ' ';
    if (std::string_view(source_).substr(pos_ + (sign == ' ' ? 0 : 1), 2) != end) return false;
    push(kind, std::string(end));
    advance(sign == ' ' ? 2 : 3);
    if (block || sign == '-') finish_block(sign);
    return true;
  }

  void lex_tag(std::string_view end, TokenKind end_kind) {
    const int start = line_;
    brackets_.clear();
    for (;;) {
      skip_space();
      if (pos_ >= source_.size())
        fail(start, "a tag is not closed: '" + std::string(end) + "' is missing");
      if (brackets_.empty() && lex_end(end, end_kind)) return;
      const char c = source_[pos_];
      if (is_digit(c)) {
        lex_number();
      } else if (is_name_start(c)) {
        lex_name();
      } else if (c == '"' || c == '\'') {
        lex_string(c);
      } else {
        lex_operator();
      }
    }
  }

  void lex_name() {
    std::size_t end = pos_;
    while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
    push(TokenKind::kName, source_.substr(pos_, end - pos_));
    advance(end - pos_);
  }

  std::size_t skip_digits(std::size_t from) const {
    while (from < source_.size() &&
           (is_digit(source_[from]) ||
            (source_[from] == '_' && from + 1 < source_.size() && is_digit(source_[from + 1])))) {
      ++from;
    }
    return from;
  }

  void lex_number() {
    const bool after_dot = !tokens_.empty() && tokens_.back().kind == TokenKind::kOperator &&
                           tokens_.back().text == ".";
    std::size_t end = skip_digits(pos_);
    bool real = false;
    if (!after_dot) {
      if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
        real = true;
        end = skip_digits(end + 1);
      }
      std::size_t exponent = end;
      if (exponent < source_.size() && (source_[exponent] | 0x20) == 'e') {
        ++exponent;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) {
          ++exponent;
        }
        if (exponent < source_.size() && is_digit(source_[exponent])) {
          real = true;
          end = skip_digits(exponent);
        }
      }
    }
    std::string digits = source_.substr(pos_, end - pos_);
    if (end < source_.size() && is_name_start(source_[end])) {
      fail(line_, "malformed number '" + digits + source_[end] + "'");
    }
    std::erase(digits, '_');
    push(real ? TokenKind::kReal : TokenKind::kInteger, digits);
    if (real) {
      tokens_.back().real = parse_decimal(digits).value();
    } else {
      const char* last = digits.data() + digits.size();
      const auto read = std::from_chars(digits.data(), last, tokens_.back().integer);
      if (read.ec != std::errc()) fail(line_, "the integer " + digits + " exceeds 64 bits");
    }
    advance(end - pos_);
  }

  void lex_string(char quote) {
    std::size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail(line_, "a string is not closed");
    try {
      push(TokenKind::kString,
           unescape_string(std::string_view(source_).substr(pos_ + 1, end - pos_ - 1)));
    } catch (const EvalError& error) {
      fail(line_, error.what());
    }
    advance(end + 1 - pos_);
  }

  void lex_operator() {
    static constexpr std::array<std::string_view, 25> kOperators{
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
    for (const std::string_view op : kOperators) {
      if (!at(op)) continue;
      balance(op[0]);
      push(TokenKind::kOperator, std::string(op));
      advance(op.size());
      return;
    }
    const std::size_t size = byte_offset(std::string_view(source_).substr(pos_), 1);
    fail(line_, "unexpected character '" + source_.substr(pos_, size) + "'");
  }

  void balance(char c) {
    static constexpr std::string_view kOpen = "([{";
    static constexpr std::string_view kClose = ")]}";
    if (kOpen.find(c) != kNone) {
      brackets_.push_back(c);
    } else if (const std::size_t which = kClose.find(c); which != kNone) {
      if (brackets_.empty() || brackets_.back() != kOpen[which]) {
        fail(line_, std::string("unexpected '") + c + "'");
      }
      brackets_.pop_back();
    }
  }

  std::string source_;
  const std::string& name_;
  std::size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the text so far ends with a newline, or there is none yet
  std::string brackets_;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize_template(std::string_view source, const std::string& template_name) {
  return Lexer(source, template_name).run();
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kText:
      return "text";
    case TokenKind::kString:
      return "a string";
    default:
      return "'" + token.text + "'";
  }
}

}  // namespace svtune::jinja
