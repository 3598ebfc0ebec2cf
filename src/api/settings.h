// Options that the public structs take as texts by name.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace svtune {

FieldInput text_input(const std::string& name, const std::string& text);

// `settings` as inputs of assign_fields(). Throws UsageError for a name of `members`: those are
// members of the public struct `owner`, which would silently win.
std::vector<FieldInput> setting_inputs(const std::map<std::string, std::string>& settings,
                                       const std::string& owner,
                                       std::initializer_list<std::string_view> members);

}  // namespace svtune
