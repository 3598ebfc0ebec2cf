// Checks values against a FieldInfo, reads them from command-line text and words both.
#include "base/field_info.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text_util.h"

namespace svtune {
namespace {

std::string number_text(double value) {
  std::string text = dump_json(Json(value), -1);
  if (text.size() > 2 && text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string quoted(const Json& value) {
  std::string text = dump_json(value, -1);
  constexpr std::size_t kLongest = 60;
  if (text.size() > kLongest) {
    std::size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end) + "...";
  }
  return text;
}

std::string need_text(const FieldInfo& info) {
  switch (info.kind) {
    case FieldKind::kBool:
      return "need true or false";
    case FieldKind::kInteger:
      return info.is_size ? "need a size in bytes, as 4G or 900M" : "need an integer";
    case FieldKind::kNumber:
      return "need a number";
    case FieldKind::kString:
      return "need a string";
    case FieldKind::kPath:
      return "need a path as a string";
    case FieldKind::kEnum:
      break;
  }
  std::string out = "allowed ";
  for (std::size_t i = 0; i < info.choices.size(); ++i) {
    out += (i > 0 ? ", " : "") + info.choices[i].name;
  }
  return out;
}

bool is_whole(const Json& value) {
  if (value.is_number_integer()) return true;
  constexpr double kExact = 9007199254740992.0;  // 2^53: doubles are whole numbers from here on
  return value.is_number_float() && std::abs(value.get<double>()) <= kExact &&
         std::nearbyint(value.get<double>()) == value.get<double>();
}

bool fits_integer_type(const FieldInfo& info, const Json& value) {
  const auto number = value.get<long double>();
  return number >= static_cast<long double>(info.type_min) &&
         number <= static_cast<long double>(info.type_max);
}

bool in_range(const FieldInfo& info, double value) {
  return value >= info.min && value <= info.max && value > info.above && value < info.below;
}

std::string check_number(const FieldInfo& info, const Json& value) {
  const bool whole_needed = info.kind == FieldKind::kInteger;
  if (!value.is_number() || (whole_needed && !is_whole(value))) {
    return "got " + quoted(value) + ", " + need_text(info);
  }
  const bool fits =
      whole_needed ? fits_integer_type(info, value) : std::isfinite(value.get<double>());
  if (fits && in_range(info, value.get<double>())) return "";
  std::string allowed = field_range_text(info);
  if (whole_needed && (allowed.empty() || !fits)) {
    const bool has_min = std::isfinite(info.min);
    allowed = (has_min ? number_text(info.min) : std::to_string(info.type_min)) + " to " +
              (std::isfinite(info.max) ? number_text(info.max) : std::to_string(info.type_max));
  } else if (allowed.empty()) {
    allowed = "finite numbers";
  }
  return "got " + quoted(value) + ", allowed " + allowed;
}

std::string check_scalar(const FieldInfo& info, const Json& value) {
  const std::string refusal = "got " + quoted(value) + ", " + need_text(info);
  switch (info.kind) {
    case FieldKind::kBool:
      return value.is_boolean() ? "" : refusal;
    case FieldKind::kInteger:
    case FieldKind::kNumber:
      return check_number(info, value);
    case FieldKind::kString:
    case FieldKind::kPath:
      return value.is_string() ? "" : refusal;
    case FieldKind::kEnum:
      break;
  }
  std::vector<std::string> names;
  for (const FieldChoice& choice : info.choices) {
    if (value == choice.name) return "";
    names.push_back(choice.name);
  }
  const std::string nearest =
      value.is_string() ? nearest_name(value.get<std::string>(), names) : std::string();
  return refusal + (nearest.empty() ? "" : " (did you mean " + nearest + "?)");
}

Json parse_scalar(const FieldInfo& info, const std::string& text) {
  if (info.kind == FieldKind::kBool) {
    if (text == "true") return true;
    if (text == "false") return false;
    return text;
  }
  if (info.kind != FieldKind::kInteger && info.kind != FieldKind::kNumber) return text;
  if (info.is_size) {
    const std::optional<std::int64_t> bytes = parse_size(text);
    return bytes ? Json(*bytes) : Json(text);
  }
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (auto r = std::from_chars(begin, end, whole); r.ec == std::errc() && r.ptr == end)
    return whole;
  std::uint64_t large = 0;
  if (auto r = std::from_chars(begin, end, large); r.ec == std::errc() && r.ptr == end)
    return large;
  double number = 0;
  const auto r = std::from_chars(begin, end, number);
  if (r.ec == std::errc() && r.ptr == end && std::isfinite(number)) return number;
  return text;
}

std::vector<std::string> split_parts(const FieldInfo& info, const std::vector<std::string>& texts) {
  std::vector<std::string> parts;
  for (const std::string& text : texts) {
    if (text.empty()) continue;  // an empty text clears the list
    std::size_t start = 0;
    while (info.separator != 0) {
      const std::size_t at = text.find(info.separator, start);
      if (at == std::string::npos) break;
      parts.emplace_back(trim(std::string_view(text).substr(start, at - start)));
      start = at + 1;
    }
    // "a, b" is a list as people write it; what no separator cuts is taken as it is.
    const std::string_view last = std::string_view(text).substr(start);
    parts.emplace_back(info.separator == 0 ? last : trim(last));
  }
  return parts;
}

bool text_like(FieldKind kind) { return kind == FieldKind::kString || kind == FieldKind::kPath; }

}  // namespace

std::string field_use_text(const FieldInfo& info) {
  std::string text = condition_text(info.when);
  if (!info.instead_of.empty()) {
    text += (text.empty() ? "" : "; ") + ("instead of " + field_flag(info.instead_of));
  }
  return text;
}

std::string renamed_text(std::span<const FieldInfo> known, const std::string& flag) {
  std::vector<std::string> now;
  for (const FieldInfo& info : known) {
    if (info.former.empty() || field_flag(info.former) != flag) continue;
    const std::string name = field_flag(info.name);
    if (std::ranges::count(now, name) == 0) now.push_back(name);
  }
  return now.empty() ? "" : flag + " is " + join(now, " and ") + " now";
}

std::string check_field(const FieldInfo& info, const Json& value) {
  switch (info.shape) {
    case FieldShape::kScalar:
      return check_scalar(info, value);
    case FieldShape::kOptional:
      return value.is_null() ? "" : check_scalar(info, value);
    case FieldShape::kList:
      if (!value.is_array()) return "got " + quoted(value) + ", need a list";
      for (std::size_t i = 0; i < value.size(); ++i) {
        // Of a comma too many; a name that every name ends with.
        const bool nothing = text_like(info.kind) && value[i] == Json("");
        const std::string problem =
            nothing ? "got \"\", need a name" : check_scalar(info, value[i]);
        if (!problem.empty()) return "item " + std::to_string(i + 1) + ": " + problem;
      }
      return "";
    case FieldShape::kMap:
      break;
  }
  if (!value.is_object()) return "got " + quoted(value) + ", need pairs of name and value";
  for (const auto& [key, part] : value.items()) {
    if (part.is_array() && part.size() > 1) {
      return key + ": got " + quoted(part[0]) + " and " + quoted(part[1]) + ", need one value";
    }
    const std::string problem = check_scalar(info, part);
    if (!problem.empty()) return key + ": " + problem;
  }
  return "";
}

Json parse_field_text(const FieldInfo& info, const std::vector<std::string>& texts) {
  if (info.shape == FieldShape::kList) {
    Json list = Json::array();
    for (const std::string& part : split_parts(info, texts)) {
      list.push_back(parse_scalar(info, part));
    }
    return list;
  }
  if (info.shape == FieldShape::kMap) {
    Json map = Json::object();
    for (const std::string& part : split_parts(info, texts)) {
      const std::size_t at = part.rfind('=');
      if (at == std::string::npos) return part;
      const std::string key = part.substr(0, at);
      const Json read = parse_scalar(info, part.substr(at + 1));
      // Two values of one name are refused by check_field().
      const bool twice = map.contains(key) && map.at(key) != read;
      map[key] = twice ? Json::array({map.at(key), read}) : read;
      if (twice) return map;
    }
    return map;
  }
  const std::string text = texts.empty() ? std::string() : texts.back();
  if (info.shape == FieldShape::kOptional && text == (text_like(info.kind) ? "" : "none")) {
    return nullptr;
  }
  return parse_scalar(info, text);
}

std::string field_placeholder(const FieldInfo& info) {
  if (!info.value_name.empty()) return info.value_name;
  std::string base;
  switch (info.kind) {
    case FieldKind::kBool:
      base = "true|false";
      break;
    case FieldKind::kInteger:
      base = "N";
      break;
    case FieldKind::kNumber:
      base = "X";
      break;
    case FieldKind::kString:
      base = "TEXT";
      break;
    case FieldKind::kPath:
      base = info.path == PathHint::kDirectory ? "DIR"
             : info.path == PathHint::kFile    ? "FILE"
                                               : "PATH";
      break;
    case FieldKind::kEnum:
      base = "NAME";
      break;
  }
  return info.shape == FieldShape::kMap ? "NAME=" + base : base;
}

std::string field_type_text(const FieldInfo& info) {
  static constexpr std::string_view kOne[] = {"true or false", "integer", "number",
                                              "text",          "path",    "name"};
  static constexpr std::string_view kMany[] = {"true or false", "integers", "numbers",
                                               "texts",         "paths",    "names"};
  const auto kind = static_cast<std::size_t>(info.kind);
  if (info.shape == FieldShape::kList) return "list of " + std::string(kMany[kind]);
  if (info.shape == FieldShape::kMap) return "name=" + std::string(kOne[kind]) + " pairs";
  return std::string(kOne[kind]);
}

std::string field_range_text(const FieldInfo& info) {
  const bool has_min = std::isfinite(info.min);
  const bool has_max = std::isfinite(info.max);
  if (has_min && has_max) return number_text(info.min) + " to " + number_text(info.max);
  std::string out;
  const auto add = [&out](const char* sign, double limit) {
    if (std::isfinite(limit)) out += (out.empty() ? "" : ", ") + (sign + number_text(limit));
  };
  add(">= ", info.min);
  add("> ", info.above);
  add("<= ", info.max);
  add("< ", info.below);
  return out;
}

std::string field_value_text(const FieldInfo& info, const Json& value) {
  if (value.is_null()) return "none";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return number_text(value.get<double>());
  if (!value.is_structured()) return dump_json(value, -1);
  std::string out;
  for (const auto& [key, part] : value.items()) {
    if (!out.empty()) out += info.separator == 0 ? ' ' : info.separator;
    out += (value.is_object() ? key + "=" : "") + field_value_text(info, part);
  }
  return out;
}

}  // namespace svtune
