#include "jinja/text_methods.h"

#include <algorithm>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace {

std::string replace_between_characters(const std::string& text, const std::string& to,
                                       std::int64_t count) {
  const std::u32string characters = to_characters(text);
  std::string out;
  for (std::size_t i = 0; i <= characters.size(); ++i) {
    if (count != 0) {
      out += to;
      --count;
    }
    if (i < characters.size()) append_utf8(out, characters[i]);
    check_text_size(static_cast<double>(out.size()));
  }
  return out;
}

bool is_line_break(std::uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

std::string replace_text(const std::string& text, const std::string& from, const std::string& to,
                         std::int64_t count) {
  if (from.empty()) return replace_between_characters(text, to, count);
  std::string out;
  std::size_t pos = 0;
  for (; count != 0; --count) {
    const std::size_t found = text.find(from, pos);
    if (found == std::string::npos) break;
    out.append(text, pos, found - pos);
    out += to;
    pos = found + from.size();
    check_text_size(static_cast<double>(out.size()));
  }
  out.append(text, pos);
  check_text_size(static_cast<double>(out.size()));
  return out;
}

std::string capitalize(const std::string& text) {
  const std::size_t first = byte_offset(text, 1);
  return to_upper(text.substr(0, first)) + to_lower(text.substr(first));
}

std::string center_text(const std::string& text, std::int64_t width, const std::string& fill) {
  const auto size = static_cast<std::int64_t>(count_characters(text));
  if (width <= size) return text;
  check_text_size(static_cast<double>(width) * static_cast<double>(fill.size()));
  const std::int64_t missing = width - size;
  const std::int64_t left = missing / 2 + (missing & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (std::int64_t i = left; i < missing; ++i) out += fill;
  return out;
}

std::vector<std::string> split_lines(const std::string& text, bool keep_ends) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t at = pos;
    const std::uint32_t c = decode_utf8(text, pos);
    if (!is_line_break(c)) continue;
    if (c == '\r' && pos < text.size() && text[pos] == '\n') ++pos;
    lines.push_back(text.substr(start, (keep_ends ? pos : at) - start));
    start = pos;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  check_item_count(static_cast<double>(lines.size()));
  return lines;
}

std::vector<std::string> split_at(const std::string& text, const std::string& separator,
                                  std::int64_t limit, bool from_right) {
  if (separator.empty()) throw EvalError("the separator of a split is empty");
  std::vector<std::string> parts;
  if (from_right) {
    std::size_t end = text.size();
    for (; limit != 0; --limit) {
      if (end < separator.size()) break;
      const std::size_t found = text.rfind(separator, end - separator.size());
      if (found == std::string::npos) break;
      parts.push_back(text.substr(found + separator.size(), end - found - separator.size()));
      end = found;
    }
    parts.push_back(text.substr(0, end));
    std::reverse(parts.begin(), parts.end());
  } else {
    std::size_t pos = 0;
    for (; limit != 0; --limit) {
      const std::size_t found = text.find(separator, pos);
      if (found == std::string::npos) break;
      parts.push_back(text.substr(pos, found - pos));
      pos = found + separator.size();
    }
    parts.push_back(text.substr(pos));
  }
  check_item_count(static_cast<double>(parts.size()));
  return parts;
}

std::vector<std::string> split_at_space(const std::string& text, std::int64_t limit,
                                        bool from_right) {
  std::vector<std::string> parts;
  std::string_view rest = from_right ? strip_right(text) : strip_left(text);
  while (!rest.empty()) {
    if (limit-- == 0) {
      parts.emplace_back(rest);
      break;
    }
    if (from_right) {
      // The word at the end: step back character by character until white space.
      std::size_t start = rest.size();
      while (start > 0) {
        std::size_t previous = start - 1;
        while (previous > 0 && (static_cast<unsigned char>(rest[previous]) & 0xC0) == 0x80) {
          --previous;
        }
        std::size_t pos = previous;
        if (is_space(decode_utf8(rest, pos))) break;
        start = previous;
      }
      parts.emplace_back(rest.substr(start));
      rest = strip_right(rest.substr(0, start));
    } else {
      std::size_t end = 0;
      while (end < rest.size()) {
        std::size_t next = end;
        if (is_space(decode_utf8(rest, next))) break;
        end = next;
      }
      parts.emplace_back(rest.substr(0, end));
      rest = strip_left(rest.substr(end));
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  check_item_count(static_cast<double>(parts.size()));
  return parts;
}

}  // namespace svtune::jinja
