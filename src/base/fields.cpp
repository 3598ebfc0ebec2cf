// Applies values to listed fields and gathers every problem into one UsageError; lists the
// options of all alternatives of a choice.
#include "base/fields.h"

#include <algorithm>
#include <stdexcept>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

const FieldInfo* find_info(const std::vector<FieldInfo>& infos, const std::string& name) {
  const auto it = std::find_if(infos.begin(), infos.end(),
                               [&](const FieldInfo& info) { return info.name == name; });
  return it == infos.end() ? nullptr : &*it;
}

Field* find_field(std::vector<Field>& fields, const std::string& name) {
  const auto it = std::find_if(fields.begin(), fields.end(),
                               [&](const Field& field) { return field.info.name == name; });
  return it == fields.end() ? nullptr : &*it;
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

void assign_one(Field& field, const FieldInput& input, Problems& problems) {
  const Json value = input.from_text ? parse_field_text(field.info, input.texts) : input.json;
  const std::string problem = check_field(field.info, value);
  if (problem.empty()) {
    field.assign(value);
  } else {
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

void report_unknown(const FieldInput& input, std::vector<Field>& fields,
                    const std::vector<FieldInfo>& known, Problems& problems) {
  if (const FieldInfo* info = find_info(known, input.name)) {
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

}  // namespace

FieldInfo FieldLister::start(const FieldSpec& spec) const {
  FieldInfo info;
  info.name = spec.name;
  info.help = spec.help;
  info.unit = spec.unit;
  info.value_name = spec.value_name;
  info.group = group_;
  info.min = spec.min;
  info.max = spec.max;
  info.above = spec.above;
  info.below = spec.below;
  info.separator = spec.separator;
  info.required = spec.required;
  info.positional = spec.positional;
  info.path = spec.path;
  if (!owner_.empty()) {
    info.owner = owner_;
    info.owner_values = {owner_value_};
  }
  return info;
}

void FieldLister::add(Field field) {
  if (find_field(fields_, field.info.name)) {
    throw std::logic_error("option declared twice: " + field.info.name);
  }
  fields_.push_back(std::move(field));
}

void assign_fields(const FieldSource& source, const std::vector<FieldInput>& inputs,
                   const std::vector<FieldInfo>& known) {
  Problems problems;
  std::vector<Field> fields = source();
  // Selectors come first: they decide which fields the second pass finds.
  for (const FieldInput& input : inputs) {
    Field* field = find_field(fields, input.name);
    if (field && field->info.selects) assign_one(*field, input, problems);
  }
  fields = source();
  for (const FieldInput& input : inputs) {
    Field* field = find_field(fields, input.name);
    if (!field) {
      report_unknown(input, fields, known, problems);
    } else if (!field->info.selects) {
      assign_one(*field, input, problems);
    }
  }
  problems.throw_if_any();
}

std::vector<FieldInput> json_inputs(const Json& json, const std::string& source_name) {
  if (!json.is_object()) {
    throw UsageError(source_name + ": got " + std::string(json.type_name()) +
                     ", need an object of options");
  }
  std::vector<FieldInput> inputs;
  for (const auto& [key, value] : json.items()) {
    inputs.push_back({key, source_name + ": " + key, value, {}, false});
  }
  return inputs;
}

std::vector<std::string> missing_fields(const std::vector<Field>& fields) {
  std::vector<std::string> missing;
  for (const Field& field : fields) {
    const Json& value = field.info.value;
    const bool empty = value.is_null() || value == Json("") ||
                       ((value.is_array() || value.is_object()) && value.empty());
    if (field.info.required && empty) {
      missing.push_back(field.info.positional ? field_placeholder(field.info)
                                              : field_flag(field.info.name));
    }
  }
  return missing;
}

namespace detail {
namespace {

// The same option of two alternatives is one entry when nothing but the owner differs.
bool same_option(const FieldInfo& a, const FieldInfo& b) {
  return a.name == b.name && a.owner == b.owner && a.help == b.help && a.value == b.value &&
         a.kind == b.kind && a.shape == b.shape && field_range_text(a) == field_range_text(b);
}

void merge_option(std::vector<FieldInfo>& infos, const FieldInfo& info) {
  for (FieldInfo& known : infos) {
    if (!same_option(known, info)) continue;
    known.owner_values.insert(known.owner_values.end(), info.owner_values.begin(),
                              info.owner_values.end());
    return;
  }
  infos.push_back(info);
}

}  // namespace

std::vector<FieldInfo> describe_all(const FieldSource& source) {
  std::vector<FieldInfo> infos;
  for (const Field& field : source()) {
    if (!field.info.owner.empty()) continue;
    infos.push_back(field.info);
    if (!field.info.selects) continue;
    const FieldInfo selector = field.info;
    std::vector<FieldInfo> owned;
    const auto select = [&](const Json& value) {
      std::vector<Field> fields = source();
      find_field(fields, selector.name)->assign(value);
    };
    for (const FieldChoice& choice : selector.choices) {
      select(choice.name);
      for (const Field& inner : source()) {
        if (inner.info.owner == selector.name) merge_option(owned, inner.info);
      }
    }
    select(selector.value);
    infos.insert(infos.end(), owned.begin(), owned.end());
  }
  return infos;
}

Json fields_json(const std::vector<Field>& fields) {
  Json out = Json::object();
  for (const Field& field : fields) out[field.info.name] = field.info.value;
  return out;
}

}  // namespace detail
}  // namespace svtune
