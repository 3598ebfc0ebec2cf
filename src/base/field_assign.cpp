// Applies given values to listed fields: assigns what fits, refuses what has no place, and gathers
// every problem into one UsageError.
#include <algorithm>

#include "base/errors.h"
#include "base/fields.h"
#include "base/text_util.h"

namespace svtune {
namespace {

using detail::find_field;
using detail::is_unset;

const FieldInfo* find_info(const std::vector<FieldInfo>& infos, const std::string& name) {
  const auto it = std::find_if(infos.begin(), infos.end(),
                               [&](const FieldInfo& info) { return info.name == name; });
  return it == infos.end() ? nullptr : &*it;
}

// Gathers problems; the first hint found is kept.
class Problems {
 public:
  void add(const std::string& text, const std::string& hint = "") {
    texts_.push_back(text);
    if (hint_.empty()) hint_ = hint;
  }

  void throw_if_any() const {
    if (texts_.empty()) return;
    std::string message =
        texts_.size() > 1 ? std::to_string(texts_.size()) + " problems: " : std::string();
    for (std::size_t i = 0; i < texts_.size(); ++i) message += (i > 0 ? "; " : "") + texts_[i];
    throw UsageError(message, hint_);
  }

 private:
  std::vector<std::string> texts_;
  std::string hint_;
};

// Whether a record holds the default that some option of this name has.
bool is_saved_default(const FieldInput& input, const std::vector<FieldInfo>& known) {
  return !input.from_text && std::ranges::any_of(known, [&](const FieldInfo& info) {
    return info.name == input.name && info.value == input.json;
  });
}

void assign_one(Field& field, const FieldInput& input, const std::vector<FieldInfo>& known,
                Problems& problems) {
  Json value = input.from_text ? parse_field_text(field.info, input.texts) : input.json;
  if (field.info.is_size && value.is_string()) {
    value = parse_field_text(field.info, {value.get<std::string>()});
  }
  const std::string problem = check_field(field.info, value);
  if (problem.empty()) {
    field.assign(value);
  } else if (!is_saved_default(input, known)) {  // of another owner of the name
    problems.add(input.label + ": " + problem);
  }
}

std::string owner_text(const FieldInfo& info) {
  std::string out = field_flag(info.owner);
  for (std::size_t i = 0; i < info.owner_values.size(); ++i) {
    out += (i == 0 ? " " : ", ") + info.owner_values[i];
  }
  return out;
}

// Whether the input asks for something: texts that set a value, and JSON that differs from the
// default of every alternative that has the option.
bool is_given(const FieldInput& input, const std::vector<FieldInfo>& known) {
  bool found = false;
  for (const FieldInfo& info : known) {
    if (info.name != input.name) continue;
    found = true;
    if (input.from_text) return !is_unset(parse_field_text(info, input.texts));
    if (input.json == info.value || is_unset(input.json)) return false;
  }
  return found;
}

// Where a value comes from; the later replaces the earlier.
enum class Origin { kNowhere, kPreset, kFile, kText };

Origin origin_of(const FieldInput& input) {
  if (input.from_text) return Origin::kText;
  return input.preset ? Origin::kPreset : Origin::kFile;
}

// The last of those that give the option.
Origin origin_of(const std::string& name, const std::vector<FieldInput>& inputs,
                 const std::vector<FieldInfo>& known) {
  Origin last = Origin::kNowhere;
  for (const FieldInput& input : inputs) {
    if (input.name == name && is_given(input, known)) last = std::max(last, origin_of(input));
  }
  return last;
}

// Of two options that exclude each other, the one of the later origin replaces the other.
void settle_exclusions(std::vector<FieldInput>& inputs, const std::vector<FieldInfo>& known,
                       Problems& problems) {
  for (const FieldInfo& info : known) {
    const std::string &one = info.name, &other = info.instead_of;
    if (other.empty()) continue;
    const Origin a = origin_of(one, inputs, known), b = origin_of(other, inputs, known);
    if (a == Origin::kNowhere || b == Origin::kNowhere) continue;
    if (a == b) {
      problems.add(field_flag(one) + " and " + field_flag(other) + " exclude each other",
                   "Leave out one of the two.");
      continue;
    }
    const std::string& replaced = a < b ? one : other;
    std::erase_if(inputs, [&](const FieldInput& input) {
      return input.name == replaced && origin_of(input) < std::max(a, b);
    });
  }
}

// What an empty text of the option would be; "" where it may be one, or its kind refuses it anyhow.
std::string empty_text(const FieldInfo& info, const std::vector<std::string>& texts) {
  if (info.kind == FieldKind::kPath || info.path != PathHint::kAny) {
    return std::ranges::count(texts, std::string()) > 0 ? "path" : "";
  }
  const bool names = info.kind == FieldKind::kString && !info.free_text &&
                     (info.shape == FieldShape::kScalar || info.shape == FieldShape::kOptional);
  return names && !texts.empty() && texts.back().empty() ? "text" : "";
}

// An empty path or name takes back what a file or a preset gives. Alone it is a shell's variable
// that is not set, and the command would do without what was meant.
void refuse_empty_texts(const std::vector<FieldInput>& inputs, const std::vector<FieldInfo>& known,
                        Problems& problems) {
  for (const FieldInput& input : inputs) {
    const FieldInfo* info = input.from_text ? find_info(known, input.name) : nullptr;
    // A required one that is empty is missing.
    if (info == nullptr || (info->required && info->shape != FieldShape::kList)) continue;
    const std::string empty = empty_text(*info, input.texts);
    if (empty.empty()) continue;
    const bool takes_back = std::ranges::any_of(inputs, [&](const FieldInput& other) {
      return other.name == input.name && !other.from_text;
    });
    if (takes_back) continue;
    problems.add(input.label + ": got an empty " + empty, "Leave it out where there is none.");
  }
}

FieldLookup lookup_in(std::vector<Field>& fields) {
  return [&fields](std::string_view option) -> const Json* {
    const Field* field = find_field(fields, option);
    return field == nullptr ? nullptr : &field->info.value;
  };
}

// The default of an option as it is listed now; nullptr when nothing is known of it.
const Json* default_of(const FieldInfo& listed, const std::vector<FieldInfo>& known) {
  for (const FieldInfo& info : known) {
    if (info.name != listed.name || info.owner != listed.owner) continue;
    const bool same_owner =
        listed.owner.empty() || std::ranges::count(info.owner_values, listed.owner_values[0]) > 0;
    if (same_owner) return &info.value;
  }
  return nullptr;
}

// The first option that a preset alone has set and that has no place beside the other values goes
// back to its default; false when there is none.
bool withdraw_preset(const std::vector<FieldInput>& inputs, const FieldSource& source,
                     const std::vector<FieldInfo>& known) {
  std::vector<Field> fields = source();
  const FieldLookup lookup = lookup_in(fields);
  for (const FieldInput& input : inputs) {
    const bool alone = std::ranges::all_of(
        inputs, [&](const FieldInput& other) { return other.preset || other.name != input.name; });
    const Field* field = alone ? find_field(fields, input.name) : nullptr;
    if (field == nullptr) continue;
    const Json* unset = default_of(field->info, known);
    if (unset == nullptr || field->info.value == *unset) continue;
    std::string why, hint;
    if (condition_holds(field->info.when, lookup, why, hint)) continue;
    field->assign(*unset);
    return true;
  }
  return false;
}

// Checks what was given against the values that came out of all inputs together.
void check_conditions(const std::vector<FieldInput>& inputs, std::vector<Field>& fields,
                      const std::vector<FieldInfo>& known, Problems& problems) {
  const FieldLookup lookup = lookup_in(fields);
  std::vector<std::string> refused;
  for (const FieldInput& input : inputs) {
    const Field* field = find_field(fields, input.name);
    if (field == nullptr || input.preset || !is_given(input, known)) continue;
    if (std::ranges::count(refused, input.label) > 0) continue;
    std::string why, hint;
    if (condition_holds(field->info.when, lookup, why, hint)) continue;
    problems.add(input.label + ": " + why, hint);
    refused.push_back(input.label);
  }
}

void report_unknown(const FieldInput& input, std::vector<Field>& fields,
                    const std::vector<FieldInfo>& known, Problems& problems) {
  if (const FieldInfo* info = find_info(known, input.name)) {
    if (input.preset) return;  // of another choice than the one that was made
    if (!input.from_text && !is_given(input, known)) return;  // a default that was saved
    const Field* selector = find_field(fields, info->owner);
    const std::string current =
        selector ? selector->info.value.get<std::string>() : std::string("the chosen value");
    problems.add(input.label + ": no option of " + field_flag(info->owner) + " " + current,
                 "it belongs to " + owner_text(*info));
    return;
  }
  std::vector<std::string> names;
  names.reserve(known.size());
  for (const FieldInfo& info : known) names.push_back(info.name);
  const std::string nearest = nearest_name(input.name, names);
  std::string hint = renamed_text(known, field_flag(input.name));
  if (hint.empty() && !nearest.empty()) hint = "did you mean " + nearest + "?";
  problems.add(input.label + ": unknown option", hint);
}

void assign_all(const FieldSource& source, const std::vector<FieldInput>& inputs,
                const std::vector<FieldInfo>& known, Problems& problems) {
  std::vector<Field> fields = source();
  // Selectors come first: they decide which fields the second pass finds.
  for (const FieldInput& input : inputs) {
    Field* field = find_field(fields, input.name);
    if (field && field->info.selects) assign_one(*field, input, known, problems);
  }
  fields = source();
  for (const FieldInput& input : inputs) {
    Field* field = find_field(fields, input.name);
    if (!field) {
      report_unknown(input, fields, known, problems);
    } else if (!field->info.selects) {
      assign_one(*field, input, known, problems);
    }
  }
}

}  // namespace

void assign_fields(const FieldSource& source, const std::vector<FieldInput>& given,
                   const std::vector<FieldInfo>& known) {
  Problems problems;
  std::vector<FieldInput> inputs = given;
  refuse_empty_texts(given, known, problems);
  settle_exclusions(inputs, known, problems);
  assign_all(source, inputs, known, problems);
  // Each goes back at most once.
  while (withdraw_preset(inputs, source, known)) continue;
  std::vector<Field> fields = source();
  check_conditions(inputs, fields, known, problems);
  problems.throw_if_any();
}

void assign_record(const FieldSource& source, const std::vector<FieldInput>& inputs,
                   const std::vector<FieldInfo>& known) {
  Problems problems;
  assign_all(source, inputs, known, problems);
  problems.throw_if_any();
}

}  // namespace svtune
