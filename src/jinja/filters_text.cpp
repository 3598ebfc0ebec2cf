// Filters on strings.
#include <array>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/text_methods.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja::detail {
namespace {

Value capitalize_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  return Value::text(capitalize(to_text(call.value)));
}

Value lower_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  return Value::text(to_lower(to_text(call.value)));
}

Value upper_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  return Value::text(to_upper(to_text(call.value)));
}

Value string_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  return call.value.is_text() ? call.value : Value::text(to_text(call.value));
}

Value trim_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"chars"});
  const std::string text = to_text(call.value);
  if (bound.given(0) == nullptr) return Value::text(std::string(strip_left(strip_right(text))));
  const std::u32string set = to_characters(bound.text(0, ""));
  return Value::text(std::string(strip_left(strip_right(text, &set), &set)));
}

Value title_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  static constexpr std::u32string_view kBreaks = U"-({[<";
  std::string out;
  std::u32string word;
  const auto flush = [&] {
    if (word.empty()) return;
    out += to_upper(from_characters(std::u32string_view(word).substr(0, 1)));
    out += to_lower(from_characters(std::u32string_view(word).substr(1)));
    word.clear();
  };
  for (const char32_t c : to_characters(to_text(call.value))) {
    if (is_space(c) || kBreaks.find(c) != std::u32string_view::npos) {
      flush();
      append_utf8(out, c);
    } else {
      word.push_back(c);
    }
  }
  flush();
  return Value::text(std::move(out));
}

Value replace_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"old", "new", "count"}, 2);
  const std::int64_t count = bound.given(2) == nullptr ? -1 : bound.integer(2, -1);
  return Value::text(
      replace_text(to_text(call.value), to_text(*bound[0]), to_text(*bound[1]), count));
}

Value center_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"width"});
  return Value::text(center_text(to_text(call.value), bound.integer(0, 80), " "));
}

Value indent_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"width", "first", "blank"});
  std::string indention(4, ' ');
  if (bound[0] != nullptr && bound[0]->is_text()) {
    indention = bound[0]->as_text()->bytes;
  } else if (bound[0] != nullptr) {
    const std::int64_t width = std::max<std::int64_t>(0, bound.integer(0, 4));
    check_text_size(static_cast<double>(width));
    indention.assign(static_cast<std::size_t>(width), ' ');
  }
  const bool blank = bound.flag(2, false);
  const auto lines = split_lines(require_text(call.value, "the value of indent") + "\n", false);
  std::string out = bound.flag(1, false) ? indention : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out.push_back('\n');
      if (blank || !lines[i].empty()) out += indention;
    }
    out += lines[i];
    check_text_size(static_cast<double>(out.size()));
  }
  return Value::text(std::move(out));
}

Value truncate_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"length", "killwords", "end", "leeway"});
  const std::int64_t limit = bound.integer(0, 255);
  const std::string end = bound.text(2, "...");
  const std::int64_t leeway = bound.given(3) == nullptr ? 5 : bound.integer(3, 5);
  const std::string text =
      call.value.is_undefined() ? "" : require_text(call.value, "the value of truncate");
  const auto end_size = static_cast<std::int64_t>(count_characters(end));
  if (limit < end_size || leeway < 0)
    throw EvalError("truncate: the length or leeway is too small");
  const auto size = static_cast<std::int64_t>(count_characters(text));
  if (leeway >= size || size <= limit + leeway) return Value::text(text);
  std::string cut = text.substr(0, byte_offset(text, static_cast<std::size_t>(limit - end_size)));
  if (!bound.flag(1, false)) {
    if (const std::size_t space = cut.rfind(' '); space != std::string::npos) cut.resize(space);
  }
  return Value::text(cut + end);
}

Value wordcount_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  std::int64_t words = 0;
  bool inside = false;
  for (const char32_t c : to_characters(to_text(call.value))) {
    const bool word = is_word(c);
    words += word && !inside;
    inside = word;
  }
  return Value::integer(words);
}

std::string url_quote(const std::string& text, bool plus) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  static constexpr std::string_view kSafe =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kSafe.find(c) != std::string_view::npos || (c == '/' && !plus)) {
      out.push_back(c);
    } else if (c == ' ' && plus) {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  check_text_size(static_cast<double>(out.size()));
  return out;
}

Value urlencode_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  const Dict* dict = call.value.as_dict();
  if (dict == nullptr) {
    if (call.value.as_sequence() != nullptr) throw EvalError("urlencode takes a string or a dict");
    return Value::text(url_quote(to_text(call.value), false));
  }
  std::string out;
  for (const auto& [key, value] : dict->entries()) {
    if (!out.empty()) out.push_back('&');
    out += url_quote(to_text(key), true) + "=" + url_quote(to_text(value), true);
  }
  return Value::text(std::move(out));
}

Value escape_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  const Text* text = call.value.as_text();
  if (text != nullptr && text->safe) return call.value;
  return Value::text(escape_html(to_text(call.value)), true);
}

Value safe_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  return Value::text(to_text(call.value), true);
}

Value format_filter(const FilterCall& call) {
  const std::string pattern = to_text(call.value);
  if (call.arguments.named.empty()) {
    return Value::text(format_printf(pattern, Value::tuple(call.arguments.positional)));
  }
  if (!call.arguments.positional.empty()) {
    throw EvalError("format takes positional or named arguments, not both");
  }
  Dict named;
  for (const auto& [name, value] : call.arguments.named) named.set(Value::text(name), value);
  return Value::text(format_printf(pattern, Value::dict(std::move(named))));
}

std::optional<std::string> json_indent(const Value* indent) {
  if (indent == nullptr) return std::nullopt;
  if (const Text* text = indent->as_text()) return text->bytes;
  const std::int64_t width =
      std::max<std::int64_t>(0, require_integer(*indent, "indent of tojson"));
  if (width > 1000) throw EvalError("tojson: the indent exceeds 1000");
  return std::string(static_cast<std::size_t>(width), ' ');
}

Value tojson_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments,
                    {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonFormat format;
  format.ensure_ascii = bound.flag(0, false);
  format.indent = json_indent(bound.given(1));
  if (const Value* separators = bound.given(2)) {
    const auto pair = iterate(*separators);
    if (pair->items.size() != 2) throw EvalError("tojson: separators must be a pair of strings");
    format.item_separator = require_text(pair->items[0], "a separator of tojson");
    format.key_separator = require_text(pair->items[1], "a separator of tojson");
  }
  format.sort_keys = bound.flag(3, false);
  return Value::text(to_json_text(call.value, format));
}

}  // namespace

const std::vector<FilterEntry>& text_filters() {
  static const std::vector<FilterEntry> entries{{"capitalize", capitalize_filter},
                                                {"center", center_filter},
                                                {"e", escape_filter},
                                                {"escape", escape_filter},
                                                {"format", format_filter},
                                                {"indent", indent_filter},
                                                {"lower", lower_filter},
                                                {"replace", replace_filter},
                                                {"safe", safe_filter},
                                                {"string", string_filter},
                                                {"title", title_filter},
                                                {"tojson", tojson_filter},
                                                {"trim", trim_filter},
                                                {"truncate", truncate_filter},
                                                {"upper", upper_filter},
                                                {"urlencode", urlencode_filter},
                                                {"wordcount", wordcount_filter}};
  return entries;
}

}  // namespace svtune::jinja::detail
