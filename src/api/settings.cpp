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
                                       const std::string& owner,
                                       std::initializer_list<std::string_view> members) {
  std::vector<FieldInput> inputs;
  for (const auto& [name, text] : settings) {
    if (std::ranges::find(members, name) != members.end()) {
      throw UsageError("settings: " + name + " is given by the member " + owner + "::" + name,
                       "Set the member, and leave the setting out.");
    }
    inputs.push_back(text_input(name, text));
  }
  return inputs;
}

}  // namespace svtune
