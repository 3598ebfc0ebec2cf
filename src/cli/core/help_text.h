// Options and commands as text for a terminal, and the grouping that all the documents share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/field_info.h"

namespace svtune {

struct Command;

struct OptionGroup {
  std::string title;
  std::vector<FieldInfo> options;
};

// In the order of declaration: arguments first, then the required and ungrouped options, then
// each group, then what belongs to one value of a choice ("With --method pissa").
std::vector<OptionGroup> group_options(const std::vector<FieldInfo>& fields);

// "--rank N", "--[no-]packing", "MODEL...".
std::string option_signature(const FieldInfo& info);
// "default 0.0002; > 0; steps": all that limits the value; without the choices.
std::string option_facts(const FieldInfo& info);
// "svtune train --model DIR [options]".
std::string usage_line(const Command& command);

struct HelpStyle {
  int width = 80;  // columns
  bool colour = false;
};

std::string command_help(const Command& command, const HelpStyle& style);
std::string program_help(const std::vector<Command>& commands, const HelpStyle& style);

// Words of `text` in lines of at most `width` columns, each after `indent` spaces.
std::string wrap_text(std::string_view text, int indent, int width);

}  // namespace svtune
