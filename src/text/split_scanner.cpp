#include "text/split_scanner.h"

#include <array>
#include <cstdint>

#include "text/unicode_class.h"
#include "text/utf8.h"

namespace svtune {
namespace {

constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kThreeDigitsRegex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kOneDigitRegex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

bool is_line_break(char c) { return c == '\r' || c == '\n'; }

struct Scanner {
  std::string_view text;

  CharKind kind(std::size_t at) const { return char_kind(utf8_at(text, at)); }
  std::size_t after(std::size_t at) const { return at + utf8_length(text[at]); }
  bool is(std::size_t at, CharKind wanted) const { return at < text.size() && kind(at) == wanted; }

  std::size_t run(std::size_t at, CharKind wanted) const {
    while (is(at, wanted)) at = after(at);
    return at;
  }

  // At most `limit` characters.
  std::size_t run(std::size_t at, CharKind wanted, int limit) const {
    for (; limit > 0 && is(at, wanted); --limit) at = after(at);
    return at;
  }

  // End of 's, 't, 're, 've, 'm, 'll or 'd at `at` (an apostrophe), or `at`.
  std::size_t contraction(std::size_t at, bool any_case) const {
    const auto letter = [&](std::size_t i) -> char {
      if (i >= text.size()) return 0;
      const char c = text[i];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    };
    const char first = letter(at + 1);
    const char second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    const bool pair = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                      (first == 'l' && second == 'l');
    if (pair) return at + 3;
    // The long s (U+017F) is an "s" when case does not matter.
    const bool long_s = any_case && text.substr(at + 1, 2) == "\xC5\xBF";
    return long_s ? at + 3 : at;
  }

  // \s+(?!\S)|\s+ for a run of white space: all of it before the end of the text, else all but
  // the last character, unless there is only one.
  std::size_t white_space(std::size_t begin, std::size_t run_end) const {
    if (run_end == text.size()) return run_end;
    const std::size_t last = utf8_previous(text, run_end);
    return last > begin ? last : run_end;
  }

  std::size_t gpt2(std::size_t at) const {
    if (text[at] == '\'') {
      const std::size_t end = contraction(at, false);
      if (end > at) return end;
    }
    const std::size_t start = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
    const CharKind first = kind(start);
    if (first != CharKind::kSpace) return run(after(start), first);
    return white_space(at, run(at, CharKind::kSpace));
  }

  std::size_t with_line_breaks(std::size_t at, int digits) const {
    if (text[at] == '\'') {
      const std::size_t end = contraction(at, true);
      if (end > at) return end;
    }
    const CharKind first = kind(at);
    if (first == CharKind::kLetter) return run(after(at), CharKind::kLetter);
    if (first == CharKind::kNumber) return run(at, CharKind::kNumber, digits);
    const std::size_t second = after(at);
    if (!is_line_break(text[at]) && is(second, CharKind::kLetter)) {
      return run(second, CharKind::kLetter);
    }
    const std::size_t start = text[at] == ' ' ? second : at;
    if (is(start, CharKind::kOther)) {
      std::size_t end = run(start, CharKind::kOther);
      while (end < text.size() && is_line_break(text[end])) ++end;
      return end;
    }
    return white_space_with_line_breaks(at);
  }

  // \s*[\r\n]+ ends behind the last line break of the run of white space.
  std::size_t white_space_with_line_breaks(std::size_t begin) const {
    const std::size_t run_end = run(begin, CharKind::kSpace);
    for (std::size_t end = run_end; end > begin; --end) {
      if (is_line_break(text[end - 1])) return end;
    }
    return white_space(begin, run_end);
  }
};

}  // namespace

std::string_view split_pattern_regex(SplitPattern pattern) {
  switch (pattern) {
    case SplitPattern::kGpt2:
      return kGpt2Regex;
    case SplitPattern::kThreeDigits:
      return kThreeDigitsRegex;
    case SplitPattern::kOneDigit:
      break;
  }
  return kOneDigitRegex;
}

std::optional<SplitPattern> known_split_pattern(std::string_view regex) {
  for (const auto pattern :
       {SplitPattern::kGpt2, SplitPattern::kThreeDigits, SplitPattern::kOneDigit}) {
    if (split_pattern_regex(pattern) == regex) return pattern;
  }
  return std::nullopt;
}

std::size_t split_piece_end(SplitPattern pattern, std::string_view text, std::size_t begin) {
  const Scanner scanner{text};
  switch (pattern) {
    case SplitPattern::kGpt2:
      return scanner.gpt2(begin);
    case SplitPattern::kThreeDigits:
      return scanner.with_line_breaks(begin, 3);
    case SplitPattern::kOneDigit:
      break;
  }
  return scanner.with_line_breaks(begin, 1);
}

}  // namespace svtune
