// Oniguruma (Ruby syntax) to PCRE2. The languages agree on most of what tokenizers use; the
// differences handled here: \s and \S (U+180E), \w and \b (marks), \h (a hexadecimal digit),
// (?m) (PCRE2's s), Unicode 15 and 16 for \p{...}. Everything else that differs is refused.
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/number_text.h"
#include "text/regex.h"
#include "text/unicode_class.h"

namespace svtune {
namespace {

constexpr std::string_view kSpaceSet =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view kHexSet = "0-9a-fA-F";

// Ranges of a category that PCRE2 10.42 does not know, as the inside of a class.
std::string newer_ranges(std::string_view category) {
  std::string out;
  for (const AddedRange& range : ranges_since_unicode_14()) {
    if (!std::string_view(range.category).starts_with(category)) continue;
    out += "\\x{" + hexadecimal(range.first) + "}-\\x{" + hexadecimal(range.last) + "}";
  }
  return out;
}

// [[:word:]] of Oniguruma.
const std::string& posix_word_set() {
  static const std::string set = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})" + newer_ranges("L") +
                                 newer_ranges("M") + newer_ranges("Nd");
  return set;
}

// Its \w also has the superscripts and fractions of Latin-1.
const std::string& word_set() {
  static const std::string set = posix_word_set() + R"(\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";
  return set;
}

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& file) : in_(pattern), file_(file) {}

  std::string run() {
    while (at_ < in_.size()) {
      switch (in_[at_]) {
        case '\\':
          escape(false);
          break;
        case '[':
          char_class();
          break;
        case '(':
          group();
          break;
        case '{':
          interval();
          break;
        default:
          out_.push_back(in_[at_++]);
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& construct) const {
    throw FileError(file_, "the regular expression \"" + std::string(in_) + "\" uses " + construct +
                               " at byte " + std::to_string(at_) +
                               ", which has no equivalent here");
  }

  char peek(std::size_t ahead) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  void copy(std::size_t count) {
    out_.append(in_.substr(at_, count));
    at_ += count;
  }

  // A set of characters, with brackets of its own unless it stands inside a class.
  void emit_set(std::string_view set, bool negated, bool in_class) {
    if (in_class && negated) refuse("a negated class inside a class");
    if (!in_class) out_ += negated ? "[^" : "[";
    out_ += set;
    if (!in_class) out_ += ']';
  }

  void escape(bool in_class) {
    const char c = peek(1);
    at_ += c == '\0' ? 0 : 2;
    switch (c) {
      case '\0':
        refuse("a backslash at the end");
      case 's':
        return emit_set(kSpaceSet, false, in_class);
      case 'S':
        // In a class PCRE2's own \S lacks only U+180E.
        if (in_class) {
          out_ += R"(\S\x{180E})";
          return;
        }
        return emit_set(kSpaceSet, true, false);
      case 'w':
      case 'W':
        return emit_set(word_set(), c == 'W', in_class);
      case 'h':
      case 'H':
        return emit_set(kHexSet, c == 'H', in_class);
      case 'p':
      case 'P':
        return property(c == 'P', in_class);
      default:
        return plain_escape(c, in_class);
    }
  }

  void plain_escape(char c, bool in_class) {
    constexpr std::string_view kSameInBoth = "dDtnrfvaex0";
    const bool letter_or_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == 'v') {  // PCRE2's \v is a set
      out_ += R"(\x{B})";
    } else if (c == 'u') {
      unicode_escape();
    } else if (!in_class && (c == 'b' || c == 'B')) {
      word_border(c == 'B');
    } else if (!letter_or_digit || kSameInBoth.find(c) != std::string_view::npos ||
               (!in_class && (c == 'A' || c == 'z' || c == 'Z' || (c >= '1' && c <= '9')))) {
      out_.push_back('\\');
      out_.push_back(c);
    } else {
      at_ -= 2;
      refuse(std::string("\\") + c);
    }
  }

  // \uHHHH
  void unicode_escape() {
    const std::string_view digits = in_.substr(at_, 4);
    if (digits.size() < 4 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      refuse("\\u without four hexadecimal digits");
    }
    out_ += R"(\x{)";
    out_ += digits;
    out_ += '}';
    at_ += 4;
  }

  void word_border(bool negated) {
    const std::string word = "[" + word_set() + "]";
    const std::string same = "(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + ")";
    const std::string border =
        "(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + ")";
    out_ += "(?:" + (negated ? same : border) + ")";
  }

  // \p{Name}, \P{Name}, \p{^Name}; at_ is behind the letter.
  void property(bool negated, bool in_class) {
    const std::size_t end = in_.find('}', at_);
    if (peek(0) != '{' || end == std::string_view::npos) refuse("\\p without {name}");
    std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    if (name.find_first_of("\\[]") != std::string_view::npos) refuse("a malformed \\p{name}");
    at_ = end + 1;
    const bool has_newer = name.size() <= 2 && std::string_view("LNMPS").find(name.substr(0, 1)) !=
                                                   std::string_view::npos;
    const std::string newer = has_newer ? newer_ranges(name) : std::string();
    const std::string known = R"(\p{)" + std::string(name) + "}";
    if (!negated) return emit_set(known + newer, false, in_class);
    if (!in_class) return emit_set(known + newer, true, false);
    out_ += R"(\P{)" + std::string(name) + "}";
  }

  void char_class() {
    copy(1);
    if (peek(0) == '^') copy(1);
    if (peek(0) == ']') {  // a literal bracket when it comes first
      out_ += R"(\])";
      ++at_;
    }
    while (at_ < in_.size() && in_[at_] != ']') {
      if (in_[at_] == '\\') {
        escape(true);
      } else if (in_[at_] == '[') {
        posix_bracket();
      } else if (in_.substr(at_, 2) == "&&") {
        refuse("an intersection of classes (&&)");
      } else {
        out_.push_back(in_[at_++]);
      }
    }
    if (at_ == in_.size()) refuse("a class without end");
    copy(1);
  }

  void posix_bracket() {
    const std::size_t end = in_.find(":]", at_);
    if (peek(1) != ':' || end == std::string_view::npos) refuse("a class inside a class");
    const std::string_view name = in_.substr(at_, end + 2 - at_);
    if (name == "[:space:]") {
      out_ += kSpaceSet;
    } else if (name == "[:word:]") {
      out_ += posix_word_set();
    } else if (name == "[:digit:]" || name == "[:xdigit:]") {
      out_ += name;
    } else {
      refuse(std::string(name));
    }
    at_ = end + 2;
  }

  void group() {
    if (peek(1) == '*') refuse("(*...)");
    if (peek(1) != '?') return copy(1);
    const char kind = peek(2);
    if (kind == ':' || kind == '=' || kind == '!' || kind == '>') return copy(3);
    if (kind == '#') {
      const std::size_t end = in_.find(')', at_);
      if (end == std::string_view::npos) refuse("a comment without end");
      at_ = end + 1;
      return;
    }
    if (kind == '<') {
      const bool look_behind = peek(3) == '=' || peek(3) == '!';
      return copy(look_behind ? 4 : 3);
    }
    option_group();
  }

  // (?imx-imx) and (?imx-imx:
  void option_group() {
    out_ += "(?";
    at_ += 2;
    for (; at_ < in_.size() && in_[at_] != ')' && in_[at_] != ':'; ++at_) {
      const char c = in_[at_];
      if (c != 'i' && c != 'm' && c != '-') refuse(std::string("the group option \"") + c + "\"");
      out_.push_back(c == 'm' ? 's' : c);
    }
    if (at_ == in_.size()) refuse("a group without end");
    copy(1);
  }

  // {n}, {n,}, {n,m}; Oniguruma also knows {,m}, and reads a following + as a second repeat.
  void interval() {
    const std::size_t end = in_.find('}', at_);
    const std::string_view body =
        end == std::string_view::npos ? std::string_view() : in_.substr(at_ + 1, end - at_ - 1);
    const bool is_interval = !body.empty() && body != "," &&
                             body.find_first_not_of("0123456789,") == std::string_view::npos;
    if (!is_interval) {
      out_ += R"(\{)";
      ++at_;
      return;
    }
    if (body.starts_with(',')) {
      out_ += "{0" + std::string(body) + "}";
    } else {
      out_ += "{" + std::string(body) + "}";
    }
    at_ = end + 1;
    if (peek(0) == '+') refuse("a repeat of a repeat ({n,m}+)");
  }

  std::string_view in_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string translate_oniguruma(std::string_view pattern, const std::string& file) {
  return Translator(pattern, file).run();
}

}  // namespace svtune
