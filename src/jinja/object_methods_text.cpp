// Methods of strings.
#include <algorithm>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/object_methods.h"
#include "jinja/text_methods.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja::detail {
namespace {

const std::string& text_of(const Value& self) { return self.as_text()->bytes; }

Value list_of(std::vector<std::string> parts) {
  ValueList items;
  items.reserve(parts.size());
  for (std::string& part : parts) items.push_back(Value::text(std::move(part)));
  return Value::list(std::move(items));
}

template <std::string (*Convert)(std::string_view)>
Value convert(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  return Value::text(Convert(text_of(self)));
}

Value capitalize_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  return Value::text(capitalize(text_of(self)));
}

Value title_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  std::string out;
  bool inside = false;
  for (const char32_t c : to_characters(text_of(self))) {
    std::string letter;
    append_utf8(letter, c);
    out += inside ? to_lower(letter) : to_upper(letter);
    inside = is_upper(c) || is_lower(c);
  }
  return Value::text(std::move(out));
}

Value swapcase_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  std::string out;
  for (const char32_t c : to_characters(text_of(self))) {
    std::string letter;
    append_utf8(letter, c);
    out += is_upper(c) ? to_lower(letter) : to_upper(letter);
  }
  return Value::text(std::move(out));
}

template <bool Left, bool Right>
Value strip_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"chars"});
  std::u32string set;
  if (bound.given(0) != nullptr) set = to_characters(bound.text(0, ""));
  const std::u32string* chosen = bound.given(0) == nullptr ? nullptr : &set;
  std::string_view text = text_of(self);
  if (Left) text = strip_left(text, chosen);
  if (Right) text = strip_right(text, chosen);
  return Value::text(std::string(text));
}

template <bool FromRight>
Value split_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"sep", "maxsplit"});
  const std::int64_t limit = bound.integer(1, -1);
  if (bound.given(0) == nullptr) {
    return list_of(split_at_space(text_of(self), limit, FromRight));
  }
  return list_of(split_at(text_of(self), bound.text(0, ""), limit, FromRight));
}

Value splitlines_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"keepends"});
  return list_of(split_lines(text_of(self), bound.flag(0, false)));
}

template <bool FromRight>
Value partition_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"sep"}, 1);
  const std::string separator = bound.text(0, "");
  const auto parts = split_at(text_of(self), separator, 1, FromRight);
  const auto text = [](const std::string& part) { return Value::text(part); };
  if (parts.size() == 2) {
    return Value::tuple({text(parts[0]), text(separator), text(parts[1])});
  }
  if (FromRight) return Value::tuple({text(""), text(""), text(parts[0])});
  return Value::tuple({text(parts[0]), text(""), text("")});
}

// The part of the text between the optional arguments start and end at `first`.
struct Part {
  std::string text;
  std::int64_t start = 0;
  bool empty_range = false;  // start lies behind the end of the text or of the range
};

Part part_of(const Value& self, const Bound& bound, std::size_t first) {
  const auto size = static_cast<std::int64_t>(count_characters(text_of(self)));
  const auto place = [&](std::size_t index, std::int64_t fallback) {
    if (bound.given(index) == nullptr) return fallback;
    const std::int64_t value = bound.integer(index, fallback);
    return value < 0 ? std::max<std::int64_t>(0, value < -size ? 0 : value + size) : value;
  };
  Part part;
  part.start = place(first, 0);
  const std::int64_t end = std::min(size, place(first + 1, size));
  part.empty_range = part.start > end;
  if (part.empty_range) return part;
  const std::string& text = text_of(self);
  const std::size_t begin = byte_offset(text, static_cast<std::size_t>(part.start));
  part.text = text.substr(begin, byte_offset(text, static_cast<std::size_t>(end)) - begin);
  return part;
}

template <bool Start>
Value affix_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"prefix", "start", "end"}, 1);
  const Part part = part_of(self, bound, 1);
  const auto matches = [&](const Value& affix) {
    const std::string& text = require_text(affix, "the argument of " + name);
    if (part.empty_range) return false;
    return Start ? part.text.starts_with(text) : part.text.ends_with(text);
  };
  const Sequence* several = bound[0]->as_sequence();
  if (several != nullptr && several->kind == SequenceKind::kTuple) {
    return Value::boolean(std::any_of(several->items.begin(), several->items.end(), matches));
  }
  return Value::boolean(matches(*bound[0]));
}

template <bool FromRight, bool MustExist>
Value find_method_of_text(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"sub", "start", "end"}, 1);
  const Part part = part_of(self, bound, 1);
  const std::string wanted = bound.text(0, "");
  const std::size_t found = part.empty_range ? std::string::npos
                            : FromRight      ? part.text.rfind(wanted)
                                             : part.text.find(wanted);
  if (found == std::string::npos) {
    if (MustExist) throw EvalError(name + ": substring not found");
    return Value::integer(-1);
  }
  const std::size_t characters = count_characters(std::string_view(part.text).substr(0, found));
  return Value::integer(part.start + static_cast<std::int64_t>(characters));
}

Value count_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"sub", "start", "end"}, 1);
  const Part part = part_of(self, bound, 1);
  const std::string wanted = bound.text(0, "");
  if (part.empty_range) return Value::integer(0);
  if (wanted.empty()) {
    return Value::integer(static_cast<std::int64_t>(count_characters(part.text)) + 1);
  }
  return Value::integer(static_cast<std::int64_t>(split_at(part.text, wanted, -1, false).size()) -
                        1);
}

Value replace_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"old", "new", "count"}, 2);
  return Value::text(
      replace_text(text_of(self), bound.text(0, ""), bound.text(1, ""), bound.integer(2, -1)));
}

Value join_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"iterable"}, 1);
  std::string out;
  bool first = true;
  const auto items = iterate(*bound[0]);
  for (const Value& item : items->items) {
    if (!first) out += text_of(self);
    first = false;
    out += require_text(item, "an item of join");
    check_text_size(static_cast<double>(out.size()));
  }
  return Value::text(std::move(out));
}

template <bool Prefix>
Value remove_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"affix"}, 1);
  const std::string& text = text_of(self);
  const std::string affix = bound.text(0, "");
  if (Prefix) {
    return Value::text(text.starts_with(affix) ? text.substr(affix.size()) : text);
  }
  return Value::text(text.ends_with(affix) ? text.substr(0, text.size() - affix.size()) : text);
}

template <char Align>
Value pad_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"width", "fillchar"}, 1);
  const std::string fill = bound.text(1, " ");
  if (count_characters(fill) != 1) throw EvalError(name + ": the fill must be one character");
  const std::int64_t width = std::max<std::int64_t>(0, bound.integer(0, 0));
  if (Align == '^') return Value::text(center_text(text_of(self), width, fill));
  return Value::text(pad(text_of(self), static_cast<std::size_t>(width), fill, Align));
}

Value zfill_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"width"}, 1);
  const std::int64_t width = std::max<std::int64_t>(0, bound.integer(0, 0));
  const std::string& text = text_of(self);
  const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  const auto rest = static_cast<std::size_t>(std::max<std::int64_t>(0, width - (sign ? 1 : 0)));
  return Value::text((sign ? text.substr(0, 1) : "") +
                     pad(text.substr(sign ? 1 : 0), rest, "0", '>'));
}

Value format_method(const std::string&, const Value& self, const Arguments& arguments) {
  return Value::text(format_braces(text_of(self), arguments));
}

bool is_digit_character(std::uint32_t c) { return is_decimal(c); }
bool is_alnum(std::uint32_t c) { return is_alphabetic(c) || (is_word(c) && c != '_'); }

template <bool (*Accepts)(std::uint32_t)>
Value all_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  const std::u32string characters = to_characters(text_of(self));
  return Value::boolean(!characters.empty() &&
                        std::all_of(characters.begin(), characters.end(), Accepts));
}

template <bool Upper>
Value case_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  bool found = false;
  for (const char32_t c : to_characters(text_of(self))) {
    if (Upper ? is_lower(c) : is_upper(c)) return Value::boolean(false);
    found = found || (Upper ? is_upper(c) : is_lower(c));
  }
  return Value::boolean(found);
}

const MethodEntry kMethods[] = {{"capitalize", capitalize_method},
                                {"center", pad_method<'^'>},
                                {"count", count_method},
                                {"endswith", affix_method<false>},
                                {"find", find_method_of_text<false, false>},
                                {"format", format_method},
                                {"index", find_method_of_text<false, true>},
                                {"isalnum", all_method<is_alnum>},
                                {"isalpha", all_method<is_alphabetic>},
                                {"isdecimal", all_method<is_decimal>},
                                {"isdigit", all_method<is_digit_character>},
                                {"islower", case_method<false>},
                                {"isspace", all_method<is_space>},
                                {"isupper", case_method<true>},
                                {"join", join_method},
                                {"ljust", pad_method<'<'>},
                                {"lower", convert<to_lower>},
                                {"lstrip", strip_method<true, false>},
                                {"partition", partition_method<false>},
                                {"removeprefix", remove_method<true>},
                                {"removesuffix", remove_method<false>},
                                {"replace", replace_method},
                                {"rfind", find_method_of_text<true, false>},
                                {"rindex", find_method_of_text<true, true>},
                                {"rjust", pad_method<'>'>},
                                {"rpartition", partition_method<true>},
                                {"rsplit", split_method<true>},
                                {"rstrip", strip_method<false, true>},
                                {"split", split_method<false>},
                                {"splitlines", splitlines_method},
                                {"startswith", affix_method<true>},
                                {"strip", strip_method<true, true>},
                                {"swapcase", swapcase_method},
                                {"title", title_method},
                                {"upper", convert<to_upper>},
                                {"zfill", zfill_method}};

}  // namespace

Method find_text_method(std::string_view name) {
  const auto place = std::find_if(std::begin(kMethods), std::end(kMethods),
                                  [&](const MethodEntry& entry) { return entry.name == name; });
  return place == std::end(kMethods) ? nullptr : place->call;
}

}  // namespace svtune::jinja::detail
