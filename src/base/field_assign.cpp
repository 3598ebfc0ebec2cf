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
  const Json value = input.from_text ? parse_field_text(field.info, input.texts) : input.json;
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

// Whether the option is given as text, or as JSON.
bool is_given(const std::string& name, bool as_text, const std::vector<FieldInput>& inputs,
              const std::vector<FieldInfo>& known) {
  return std::ranges::any_of(inputs, [&](const FieldInput& input) {
    return input.name == name && input.from_text == as_text && is_given(input, known);
  });
}

// Of two options that exclude each other, the one given as text replaces the one given as JSON.
void settle_exclusions(std::vector<FieldInput>& inputs, const std::vector<FieldInfo>& known,
                       Problems& problems) {
  for (const FieldInfo& info : known) {
    const std::string &one = info.name, &other = info.instead_of;
    if (other.empty()) continue;
    const bool one_text = is_given(one, true, inputs, known);
    const bool other_text = is_given(other, true, inputs, known);
    if (!one_text && !is_given(one, false, inputs, known)) continue;
    if (!other_text && !is_given(other, false, inputs, known)) continue;
    if (one_text == other_text) {
      problems.add(field_flag(one) + " and " + field_flag(other) + " exclude each other",
                   "Leave out one of the two.");
      continue;
    }
    std::erase_if(inputs, [&](const FieldInput& input) {
      return !input.from_text && input.name == (one_text ? other : one);
    });
  }
}

// Checks what was given against the values that came out of all inputs together.
void check_conditions(const std::vector<FieldInput>& inputs, std::vector<Field>& fields,
                      const std::vector<FieldInfo>& known, Problems& problems) {
  const FieldLookup lookup = [&](std::string_view option) -> const Json* {
    const Field* field = find_field(fields, std::string(option));
    return field == nullptr ? nullptr : &field->info.value;
  };
  std::vector<std::string> refused;
  for (const FieldInput& input : inputs) {
    const Field* field = find_field(fields, input.name);
    if (field == nullptr || !is_given(input, known)) continue;
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
  problems.add(input.label + ": unknown option",
               nearest.empty() ? "" : "did you mean " + nearest + "?");
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
  settle_exclusions(inputs, known, problems);
  assign_all(source, inputs, known, problems);
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
