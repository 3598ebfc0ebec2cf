// Lists fields: of one live struct, and of all alternatives of its choice.
#include "base/fields.h"

#include <algorithm>
#include <stdexcept>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {

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
  info.when = when_ && spec.when;
  info.instead_of = spec.instead_of;
  info.former = spec.former;
  info.keys_are_layers = spec.keys_are_layers;
  info.is_size = spec.is_size;
  info.free_text = spec.free_text;
  if (!owner_.empty()) {
    info.owner = owner_;
    info.owner_values = {owner_value_};
  }
  return info;
}

void FieldLister::add(Field field) {
  if (detail::find_field(fields_, field.info.name)) {
    throw std::logic_error("option declared twice: " + field.info.name);
  }
  fields_.push_back(std::move(field));
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
    if (field.info.required && detail::is_unset(field.info.value)) {
      missing.push_back(field.info.positional ? field_placeholder(field.info)
                                              : field_flag(field.info.name));
    }
  }
  return missing;
}

namespace detail {

Field* find_field(std::vector<Field>& fields, std::string_view name) {
  const auto it = std::ranges::find_if(fields, [&](const Field& f) { return f.info.name == name; });
  return it == fields.end() ? nullptr : &*it;
}

bool is_unset(const Json& value) {
  return value.is_null() || value == Json("") || (value.is_structured() && value.empty());
}

namespace {

// The same option of two alternatives is one entry when nothing but the owner differs.
bool same_option(const FieldInfo& a, const FieldInfo& b) {
  return a.name == b.name && a.owner == b.owner && a.help == b.help && a.value == b.value &&
         a.kind == b.kind && a.shape == b.shape && field_range_text(a) == field_range_text(b) &&
         field_use_text(a) == field_use_text(b) &&
         std::ranges::equal(a.choices, b.choices, {}, &FieldChoice::name, &FieldChoice::name);
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
