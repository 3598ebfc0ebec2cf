#include "api/settings.h"

#include <algorithm>

#include "base/errors.h"

namespace svtune {

FieldInput text_input(const std::string& name, const std::string& text) {
  FieldInput input;
  input.name = input.label = name;
  input.texts = {text};
  input.from_text = true;
  return input;
}

std::vector<FieldInput> setting_inputs(const std::map<std::string, std::string>& settings,
                                       std::initializer_list<std::string_view> members) {
  std::vector<FieldInput> inputs;
  for (const auto& [name, text] : settings) {
    if (std::ranges::find(members, name) != members.end()) {
      throw UsageError("settings: " + name + " cannot be set there",
                       "Use the member " + name + " of the options.");
    }
    inputs.push_back(text_input(name, text));
  }
  return inputs;
}

}  // namespace svtune
